import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event } from "../event/event.ts";
import { copyObject, setOwn } from "../event/json.ts";
import { parseSelection } from "../event/select.ts";
import { writeEvent } from "../event/write.ts";
import { type Body, type Format, isChanged, MAX_EVENTS, writeBody } from "./body.ts";
import { eachError, readEach } from "./each.ts";
import { formatOf, isStreamType } from "./format.ts";
import { json } from "./json.ts";
import { ndjson } from "./ndjson.ts";
import { sse } from "./sse.ts";

const DEPTH = 64;

function each(path: string) {
  const parsed = parseSelection(path);
  expect(parsed.error).toBe("");
  expect(eachError(parsed.path)).toBe("");
  return (text: string) => readEach(text, DEPTH, parsed.path);
}

const readers: { [name: string]: (text: string) => Body } = {
  json: (text) => json.read(text, DEPTH),
  ndjson: (text) => ndjson.read(text, DEPTH),
  sse: (text) => sse.read(text, DEPTH),
};

function reader(name: string): (text: string) => Body {
  return readers[name] ?? each(name);
}

function mark(event: Event): void {
  event.value = copyObject(event.value);
  setOwn(event.value, "m", 1);
}

/** The text with the events at these indexes marked and those at the others dropped. */
function treated(read: (text: string) => Body, text: string, marked: number[], gone: number[]): string {
  const body = read(text);
  expect({ fault: body.fault, detail: body.detail }).toEqual({ fault: undefined, detail: "" });
  expect(isChanged(body)).toBe(false);
  for (const index of marked) mark(body.events[index] as Event);
  expect(isChanged(body)).toBe(marked.length > 0);
  return writeBody(
    text,
    body,
    body.events.map((_, i) => gone.includes(i)),
  );
}

describe("the events of a text, and the text when some changed or left", () => {
  // format, title, text, events, marked, dropped, text afterwards
  const cases: [string, string, string, number, number[], number[], string][] = [
    ["json", "one object", ' {"a":1.0 }\n', 1, [0], [], ' {"a":1.0 ,"m":1}\n'],
    ["json", "an array", '[{"a":1.0}, {}]', 2, [1], [], '[{"a":1.0}, {"m":1}]'],
    ["json", "an empty array", "[ ]", 0, [], [], "[ ]"],
    ["json", "the first gone", '[{"a":1} , {"b":2.0}]', 2, [], [0], '[ {"b":2.0}]'],
    ["json", "the middle gone", '[{"a":1}, {"b":2} ,{"c":3.0}]', 3, [], [1], '[{"a":1},{"c":3.0}]'],
    ["json", "the last gone", '[\n  {"a":1},\n  {"b":2}\n]', 2, [], [1], '[\n  {"a":1}\n]'],
    ["json", "the last two gone", '[{"a":1.0} ,{},{} ]', 3, [0], [1, 2], '[{"a":1.0,"m":1}  ]'],
    ["json", "the first two gone", '[{"a":1},{"b":2},{"c":1e2}]', 3, [2], [0, 1], '[{"c":1e2,"m":1}]'],
    ["json", "first and last gone", '[{"a":1},{"b":2.0},{"c":3}]', 3, [], [0, 2], '[{"b":2.0}]'],
    ["json", "all gone", ' [ {"a":1}, {"b":2} ] ', 2, [], [0, 1], " [] "],
    ["items[*]", "the rest stays", '{"n":1.0,"items":[{"a":1},{}],"z":[{}]}', 2, [0], [1], '{"n":1.0,"items":[{"a":1,"m":1}],"z":[{}]}'],
    ["items[*]", "nothing there", '{"n":1.0}', 0, [], [], '{"n":1.0}'],
    ["items[*]", "a key that only ends like the path", '{"items.":[{}]}', 0, [], [], '{"items.":[{}]}'],
    ["items[*]", "null there", '{"items":null}', 0, [], [], '{"items":null}'],
    ["items[*]", "all gone", '{"items":[ {} , {} ]}', 2, [], [0, 1], '{"items":[]}'],
    ["o[*].i[*]", "several arrays", '{"o":[{"i":[{},{}]},{"x":1.0},{"i":[{}]}]}', 3, [2], [0, 1], '{"o":[{"i":[]},{"x":1.0},{"i":[{"m":1}]}]}'],
    ["[*][*]", "neighbours in two arrays", "[[{}],[{}]]", 2, [], [0, 1], "[[],[]]"],
    ["customer", "a member", '{"a":1, "customer": {"b":1.0} ,"c":2}', 1, [0], [], '{"a":1, "customer": {"b":1.0,"m":1} ,"c":2}'],
    ["customer", "a member gone", '{"a":1, "customer": {} ,"c":2}', 1, [], [0], '{"a":1,"c":2}'],
    ["customer", "the last member gone", '{"a":1, "customer": {} }', 1, [], [0], '{"a":1 }'],
    ["customer", "the only member gone", '{ "customer": {} }', 1, [], [0], "{}"],
    ["customer", "null", '{"customer":null}', 0, [], [], '{"customer":null}'],
    ["*", "every member", '{"a":{},"b":{}}', 2, [0], [1], '{"a":{"m":1}}'],
    ["list[1]", "one element", '{"list":[{},{},{}]}', 1, [0], [], '{"list":[{},{"m":1},{}]}'],
    ["list[1]", "one element gone between others", '{"list":[{}, {} ,{}]}', 1, [], [0], '{"list":[{},{}]}'],
    ["list[5]", "an element that is not there", '{"list":[1]}', 0, [], [], '{"list":[1]}'],
    ["a.b", "nested and with a dot", '{"a":{"b":{"x":1.0}},"a.b":{"y":2.0}}', 2, [0, 1], [], '{"a":{"b":{"x":1.0,"m":1}},"a.b":{"y":2.0,"m":1}}'],
    ['["a.b"].c', "a key with a dot", '{"a.b":{"c":{}},"a":{"b":{"c":{}}}}', 1, [0], [], '{"a.b":{"c":{"m":1}},"a":{"b":{"c":{}}}}'],
    ["ndjson", "lines", '{"a":1.0}\n{}\n', 2, [0], [], '{"a":1.0,"m":1}\n{}\n'],
    ["ndjson", "CR LF, spaces, empty lines, no end", '\r\n {"a":1} \r\n\n \t\n{"b":2}', 2, [0, 1], [], '\r\n {"a":1,"m":1} \r\n\n \t\n{"b":2,"m":1}'],
    ["ndjson", "a line gone", '{"a":1}\r\n{"b":1.0}\r\n\r\n{}', 3, [], [0, 2], '{"b":1.0}\r\n\r\n'],
    ["ndjson", "all gone", '{"a":1}\n{}', 2, [], [0, 1], ""],
    ["ndjson", "nothing", "", 0, [], [], ""],
    ["sse", "one event", 'data: {"a":1.0}\n\n', 1, [0], [], 'data: {"a":1.0,"m":1}\n\n'],
    ["sse", "no space behind the colon", "data:{}\n\n", 1, [0], [], 'data:{"m":1}\n\n'],
    ["sse", "fields and comments stay", ': hi\nid: 7\nevent:x\ndata: {}\nretry: 1\n\n', 1, [0], [], ': hi\nid: 7\nevent:x\ndata: {"m":1}\nretry: 1\n\n'],
    ["sse", "several data lines become one", 'data: {"a":\nid: 1\ndata:  1.0}\nevent: x\n\n', 1, [0], [], 'data: {"a": 1.0,"m":1}\nid: 1\nevent: x\n\n'],
    ["sse", "several data lines, unchanged", 'data: {"a":\r\ndata:1}\r\n\r\ndata: {}\r\n\r\n', 2, [1], [], 'data: {"a":\r\ndata:1}\r\n\r\ndata: {"m":1}\r\n\r\n'],
    ["sse", "CR alone ends lines", "data: {}\r\rdata: {}\r\r", 2, [1], [], 'data: {}\r\rdata: {"m":1}\r\r'],
    ["sse", "a byte order mark", "\ufeffdata: {}\n\n", 1, [0], [], '\ufeffdata: {"m":1}\n\n'],
    ["sse", "keep-alives and other fields are no events", ": ping\n\nretry: 5\n\nDATA: x\n\ndatax: y\n\n", 0, [], [], ": ping\n\nretry: 5\n\nDATA: x\n\ndatax: y\n\n"],
    ["sse", "end marks pass", "data: {}\n\ndata\n\ndata:\n\ndata: [DONE]\n\n", 1, [0], [], 'data: {"m":1}\n\ndata\n\ndata:\n\ndata: [DONE]\n\n'],
    ["sse", "an event that is not ended is one", 'data: {"a":1}', 1, [0], [], 'data: {"a":1,"m":1}'],
    ["sse", "an event gone, with its empty line", 'id: 1\ndata: {"a":1}\n\n: ping\n\ndata: {"b":1.0}\n\n', 2, [], [0], ': ping\n\ndata: {"b":1.0}\n\n'],
    ["sse", "all gone", "data: {}\n\ndata: {}\n\n", 2, [], [0, 1], ""],
  ]; // biome-ignore format: a table
  test.each(cases)("%s: %s", (format, _title, text, count, marked, gone, expected) => {
    expect(reader(format)(text).events.length).toBe(count);
    expect(treated(reader(format), text, [], [])).toBe(text);
    expect(treated(reader(format), text, marked, gone)).toBe(expected);
  });
});

describe("texts that are refused", () => {
  const cases: [string, string, string][] = [
    ["json", "1", "unparsable"],
    ["json", '"x"', "unparsable"],
    ["json", "[{},1]", "unparsable"],
    ["json", "[[{}]]", "unparsable"],
    ["json", '[{"a":1,"a":2}]', "ambiguous"],
    ["json", "{}\n{}", "unparsable"],
    ["items[*]", "{", "unparsable"],
    ["items[*]", '{"items":[],"items":[{}]}', "ambiguous"],
    ["items[*]", '{"items":[1]}', "unparsable"],
    ["items[*]", '{"items":[{},null]}', "unparsable"],
    ["items[*]", '{"items":{"0":{}}}', "unparsable"],
    ["items[*]", '{"items":"[{}]"}', "unparsable"],
    ["items[*]", '[{"items":[]}]', "unparsable"],
    ["items[*]", '"items"', "unparsable"],
    ["o[*].i[*]", '{"o":[{"i":[]},5]}', "unparsable"],
    ["o[*].i[*]", '{"o":[null]}', "unparsable"],
    ["customer", '{"customer":[{}]}', "unparsable"],
    ["a.b", '{"a":[{}]}', "unparsable"],
    ["*", '{"a":{},"b":null}', "unparsable"],
    ["ndjson", "{}\n[]\n", "unparsable"],
    ["ndjson", "{}\n[{}]\n", "unparsable"],
    ["ndjson", "{}\nnull", "unparsable"],
    ["ndjson", '{"a":\n1}', "unparsable"],
    ["ndjson", "{}\r{}", "unparsable"],
    ["ndjson", "{} {}", "unparsable"],
    ["ndjson", "\ufeff{}", "unparsable"],
    ["ndjson", "{}\u0000\n", "unparsable"],
    ["ndjson", "\u000b\n", "unparsable"],
    ["ndjson", '{}\n{"a":1,"\\u0061":2}', "ambiguous"],
    ["sse", "data: hello\n\n", "unparsable"],
    ["sse", "data: [DONE] \n\n", "unparsable"],
    ["sse", "data: \u0020\n\n", "unparsable"],
    ["sse", "data\ndata\n\n", "unparsable"],
    ["sse", "data: {}\ndata: {}\n\n", "unparsable"],
    ["sse", "data: [{}]\n\n", "unparsable"],
    ["sse", 'data: {"a":1,"a":2}\n\n', "ambiguous"],
    ["sse", "data: {", "unparsable"],
    ["sse", ': c\rdata: {"a"\n\n', "unparsable"],
  ];
  test.each(cases)("%s: %j", (format, text, fault) => {
    expect(reader(format)(text).fault).toBe(fault);
  });

  test("each of them bounds depth for its own texts", () => {
    const deep = `{"a":${"[".repeat(64)}${"]".repeat(64)}}`;
    for (const text of [deep, `[${deep}]`]) expect(reader("json")(text).fault).toBe("unparsable");
    expect(reader("items[*]")(`{"x":${deep}}`).fault).toBe("unparsable");
    expect(reader("ndjson")(`{}\n${deep}`).fault).toBe("unparsable");
    expect(reader("sse")(`data: {}\n\ndata: ${deep}\n\n`).fault).toBe("unparsable");
  });

  test("the complaint says where and holds nothing of the text", () => {
    expect(reader("ndjson")('{}\n\n{"card":"4111"').detail).toBe("line 3: not valid JSON");
    expect(reader("sse")("data: {}\n\ndata: 4111\n\n").detail).toBe("event 2: no object");
  });

  const many: [string, (count: number) => string][] = [
    ["json", (count) => `[${Array(count).fill("{}").join(",")}]`],
    ["items[*]", (count) => `{"items":[${Array(count).fill("{}").join(",")}]}`],
    ["ndjson", (count) => "{}\n".repeat(count)],
    ["sse", (count) => "data:{}\n\n".repeat(count)],
  ];
  test.each(many)("%s: more events than a message may have are tooLarge", (format, text) => {
    expect(reader(format)(text(MAX_EVENTS)).fault).toBeUndefined();
    const over = reader(format)(text(MAX_EVENTS + 1));
    expect([over.fault, over.detail]).toEqual(["tooLarge", "more than 10000 events"]);
  });

  test("the first fault is the one that is told", () => {
    const text = `{"items":[${"{},".repeat(MAX_EVENTS + 1)}1]}`;
    expect(reader("items[*]")(text).fault).toBe("tooLarge");
    expect(reader("json")(`[${"{},".repeat(MAX_EVENTS + 1)}1]`).fault).toBe("tooLarge");
  });

  test('"**" cannot say where the events are', () => {
    expect(eachError(parseSelection("**.item").path)).toContain('"**"');
  });
});

test("the text of an event is its own, without the end of its line", () => {
  const texts = (body: Body) => body.events.map((event) => event.text.slice(event.start, event.end));
  expect(texts(ndjson.read('{"a":1}\r\n{}', DEPTH))).toEqual(['{"a":1}', "{}"]);
  expect(texts(sse.read('data: {"a":1}\r\n\r\n', DEPTH))).toEqual(['{"a":1}']);
});

test("the format follows the media type, whatever its case and parameters", () => {
  expect(formatOf("application/json; charset=utf-8")).toBe(json);
  expect(formatOf("Application/X-NDJSON;charset=utf-8")).toBe(ndjson);
  expect(formatOf(" text/event-stream ")).toBe(sse);
  expect(formatOf("text/event-stream2")).toBe(json);
  expect(isStreamType("application/vnd.x+json")).toBe(false);
  expect(isStreamType("text/event-stream")).toBe(true);
});

/** Texts of objects, spaced and spelt in any way, none with a line end. */
const gap = fc.stringMatching(/^[ \t]{0,2}$/);
const key = fc.oneof(fc.string({ unit: "binary", maxLength: 4 }), fc.constantFrom("a", "__proto__", "data", "0"));
const scalar = fc.oneof(
  fc.constantFrom("true", "null", "1.50", "12345678901234567890", "-0", '"\\u000a"', '"\\/"', '"[{,}]"', "[{ }]", "{}"),
  fc.string({ unit: "binary", maxLength: 6 }).map((text) => JSON.stringify(text.toWellFormed())),
);
const object = fc
  .uniqueArray(fc.tuple(key, gap, scalar, gap), { maxLength: 3, selector: (member) => member[0] })
  .map((all) => `{${all.map(([name, a, value, b]) => `${a}${JSON.stringify(name)}${b}:${a}${value}${b}`).join(",")}}`);
const lineEnd = fc.constantFrom("\n", "\r\n");
const sseEnd = fc.constantFrom("\n", "\r\n", "\r");

/** A text as pieces: the text between the events, and the events. Drawn with what becomes of each event. */
type Drawn = { pieces: string[]; fates: ("keep" | "change" | "drop")[] };
const fate = fc.constantFrom("keep", "change", "drop" as const);

function expectFaithful(read: (text: string) => Body, drawn: Drawn, texts: string[], expected: string): void {
  const text = drawn.pieces.join("");
  const body = read(text);
  expect([body.fault, body.detail]).toEqual([undefined, ""]);
  expect(body.events.map((event) => event.text.slice(event.start, event.end).trim())).toEqual(
    texts.map((source) => source.trim()),
  );
  expect(writeBody(text, body, [])).toBe(text);
  for (const [i, event] of body.events.entries()) if (drawn.fates[i] === "change") mark(event);
  const dropped = drawn.fates.map((each) => each === "drop");
  expect(writeBody(text, body, dropped)).toBe(expected);
}

/** The event's text as the writer of events makes it: what the body has to hold in its place. */
function changed(text: string): string {
  const event = json.read(text, DEPTH).events[0] as Event;
  mark(event);
  return writeEvent(event);
}

describe("for any list of objects, spaced in any way", () => {
  test("NDJSON keeps every byte outside of what changed or left", () => {
    const line = fc.tuple(fc.array(fc.tuple(gap, lineEnd), { maxLength: 2 }), gap, object, gap, lineEnd, fate);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), (lines, isEnded) => {
        const drawn: Drawn = { pieces: [], fates: lines.map((each) => each[5]) };
        let expected = "";
        for (const [i, [blank, before, text, after, end, becomes]] of lines.entries()) {
          const blanks = blank.flat().join("");
          const close = i === lines.length - 1 && !isEnded ? "" : end;
          drawn.pieces.push(blanks, before, text, after, close);
          expected += blanks;
          if (becomes === "keep") expected += before + text + after + close;
          if (becomes === "change") expected += before + changed(text) + after + close;
        }
        const texts = lines.map((each) => each[2]);
        expectFaithful(readers.ndjson as never, drawn, texts, expected);
      }),
    );
  });

  test("server-sent events keep every byte outside of what changed or left", () => {
    const other = fc.constantFrom(": ping", "id: 3", "event: x", "retry: 9", "unknown", "data2: 1");
    const block = fc.tuple(fc.array(other, { maxLength: 2 }), object, fc.array(other, { maxLength: 2 }), fate);
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), sseEnd, fc.constantFrom("", " "), (blocks, end, space) => {
        const drawn: Drawn = { pieces: [], fates: blocks.map((each) => each[3]) };
        let expected = "";
        for (const [before, text, after, becomes] of blocks) {
          const head = before.map((each) => each + end).join("");
          const tail = after.map((each) => each + end).join("");
          const ping = `: between${end}${end}`;
          drawn.pieces.push(`${head}data:${space}${text}${end}${tail}${end}${ping}`);
          const kept = becomes === "change" ? changed(text) : text;
          if (becomes !== "drop") expected += `${head}data:${space}${kept}${end}${tail}${end}`;
          expected += ping;
        }
        const texts = blocks.map((each) => each[1]);
        expectFaithful(readers.sse as never, drawn, texts, expected);
      }),
    );
  });

  test("an array, at the top or inside, keeps what stays and is what a naive reader makes of it", () => {
    const element = fc.tuple(fc.stringMatching(/^[ \n\r\t]{0,2}$/), object, gap, fate);
    fc.assert(
      fc.property(fc.array(element, { maxLength: 6 }), fc.boolean(), (elements, isInside) => {
        const list = `[${elements.map(([before, text, after]) => before + text + after).join(",")}]`;
        const text = isInside ? `{"n": 1.0, "items" :${list},"z":[{}]}` : ` ${list}\n`;
        const read = isInside ? each("items[*]") : (readers.json as (text: string) => Body);
        const body = read(text);
        expect(body.events.length).toBe(elements.length);
        for (const [i, event] of body.events.entries()) if (elements[i]?.[3] === "change") mark(event);
        const dropped = elements.map((each) => each[3] === "drop");
        const written = writeBody(text, body, dropped);
        // Naive: the texts of those that stay, changed or not, in order.
        const kept = elements
          .filter((each) => each[3] !== "drop")
          .map((each) => (each[3] === "change" ? changed(each[1]) : each[1]));
        const again = read(written);
        expect(again.fault).toBeUndefined();
        expect(again.events.map((event) => event.text.slice(event.start, event.end).trim())).toEqual(kept);
        if (isInside) expect(written.startsWith('{"n": 1.0, "items" :[') && written.endsWith('],"z":[{}]}')).toBe(true);
        if (dropped.every((each) => !each)) {
          const spaced = elements.map(([a, source, b, f]) => a + (f === "change" ? changed(source) : source) + b);
          expect(written).toContain(`[${spaced.join(",")}]`);
        }
      }),
    );
  });

  test("a text that comes in pieces has the events that it has whole", () => {
    const block = fc.tuple(object, fc.constantFrom("", ": c", "id: 1"), sseEnd);
    const texts = fc.oneof(
      fc
        .array(fc.tuple(object, lineEnd), { maxLength: 5 })
        .map((all) => ({ format: ndjson, text: all.flat().join("") })),
      fc.array(block, { maxLength: 5 }).map((all) => ({
        format: sse,
        text: all.map(([data, line, end]) => `${line}${line && end}data: ${data}${end}${end}`).join(""),
      })),
    );
    fc.assert(
      fc.property(texts, fc.array(fc.nat({ max: 40 })), ({ format, text }, sizes) => {
        const whole = format.read(text, DEPTH).events.map((event) => event.value);
        expect(inPieces(format, text, sizes)).toEqual(whole);
      }),
    );
  });
});

// As a host would: reads event by event as they end, keeps the rest, reads what is left at the end.
function inPieces(format: Format, text: string, sizes: number[]): unknown[] {
  const values: unknown[] = [];
  const take = (complete: string) => {
    const body = format.read(complete, DEPTH);
    expect(body.fault).toBeUndefined();
    expect(body.events.length).toBeLessThanOrEqual(1);
    expect(writeBody(complete, body, [])).toBe(complete);
    values.push(...body.events.map((event) => event.value));
  };
  for (const complete of eventTexts(format, text, sizes)) take(complete);
  return values;
}

function eventTexts(format: Format, text: string, sizes: number[]): string[] {
  const texts: string[] = [];
  const scan = { state: 0 };
  let held = "";
  let pos = 0;
  const feed = (piece: string) => {
    let from = 0;
    for (let end = format.eventEnd(piece, 0, scan); end !== -1; end = format.eventEnd(piece, from, scan)) {
      texts.push(held + piece.slice(from, end));
      held = "";
      from = end;
    }
    held += piece.slice(from);
  };
  for (const size of sizes) {
    feed(text.slice(pos, pos + size));
    pos += size;
  }
  feed(text.slice(pos));
  if (held !== "") texts.push(held);
  return texts;
}

describe("where events end", () => {
  const cases: [Format, string, string[]][] = [
    [json, "{}", ["{}"]],
    [ndjson, '{"a":1}', ['{"a":1}']],
    [ndjson, "{}\n{", ["{}\n", "{"]],
    [ndjson, "{}\r\n\n{}\r", ["{}\r\n", "\n", "{}\r"]],
    [sse, "data: {}\n", ["data: {}\n"]],
    [sse, "data: {}\n\ndata: {}\n", ["data: {}\n\n", "data: {}\n"]],
    [sse, "data: {}\r\n\r\n: x", ["data: {}\r\n\r\n", ": x"]],
    [sse, "data: {}\r\n\r", ["data: {}\r\n\r"]], // LF may follow
    [sse, "data: {}\r\rdata: {}\r\r", ["data: {}\r\r", "data: {}\r\r"]],
    [sse, "a\r\r\nb", ["a\r\r\n", "b"]],
    [sse, "a\n\r\r\nb", ["a\n\r", "\r\n", "b"]],
    [sse, "\ufeff\na\ufeff", ["\ufeff\n", "a\ufeff"]],
  ];
  test.each(cases)("%# of %j", (format, text, texts) => {
    expect(eventTexts(format, text, [])).toEqual(texts);
    expect(
      eventTexts(
        format,
        text,
        [...text].map(() => 1),
      ),
    ).toEqual(texts);
  });

  test("is the same however the text is cut", () => {
    const text = fc
      .array(fc.constantFrom("a", "\r", "\n", "\ufeff", "data:"), { maxLength: 12 })
      .map((all) => all.join(""));
    fc.assert(
      fc.property(fc.constantFrom(ndjson, sse), text, fc.array(fc.nat({ max: 4 })), (format, whole, sizes) => {
        expect(eventTexts(format, whole, sizes)).toEqual(eventTexts(format, whole, []));
      }),
    );
  });
});
