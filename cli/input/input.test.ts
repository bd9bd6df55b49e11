import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify as stringifyYaml } from "yaml";
import { Ending } from "../exit.ts";
import { type FormatName, guessFormat, READERS } from "./format.ts";

/** Reads a text that comes in pieces of so many bytes; what ends the reading stands last. */
async function read(format: FormatName, input: string | Uint8Array, pieceBytes: number): Promise<string[]> {
  const bytes = Buffer.from(input);
  async function* pieces() {
    for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
  }
  const found: string[] = [];
  try {
    for await (const one of READERS[format](pieces())) {
      found.push("text" in one ? one.text : `${one.place}: ${one.fault}`);
    }
  } catch (error) {
    if (!(error instanceof Ending)) throw error;
    found.push(`${error.code} ${error.message}`);
  }
  return found;
}

const AFTER = "; nothing from here on was read";

const TABLE: [FormatName, string | Uint8Array, string[]][] = [
  ["ndjson", '{"a":1}\r\n \n{"b":\u00fc}\n{"c":1}', ['{"a":1}', '{"b":\u00fc}', '{"c":1}']],
  ["ndjson", "\ufeff{}\n", ["{}"]],
  ["ndjson", Buffer.from([0x7b, 0x7d, 0x0a, 0xff, 0x0a, 0x7b, 0x7d]), ["{}", "line 2: not UTF-8", "{}"]],
  ["json", '{\n  "a": 1.50\n}', ['{\n  "a": 1.50\n}']],
  [
    "json",
    '[{"a":"}]\\"\\\\"},\n{"b":[{}]} , 3, "x"]\n{"c":1}{"d":2} 4',
    ['{"a":"}]\\"\\\\"}', '{"b":[{}]}', "3", '"x"', '{"c":1}', '{"d":2}', "4"],
  ],
  ["json", " [ ] ", []],
  ["json", '{"a":1}\n , {}', ['{"a":1}', `65 line 2: expected an event, found ","${AFTER}`]],
  ["json", '[{"a":1}\n {}', ['{"a":1}', `65 line 2: expected "," or "]" behind an element${AFTER}`]],
  ["json", "[1,]", ["1", `65 line 1: expected an event, found "]"${AFTER}`]],
  ["json", '[{},\n{"a":', ["{}", `65 line 2: what begins here is not closed${AFTER}`]],
  ["json", "[{}\n", ["{}", `65 line 2: the array is not closed${AFTER}`]],
  ["json", Buffer.from([0xff]), ["65 the input is not UTF-8 near byte 0: convert it, with iconv for instance"]],
  [
    "csv",
    'id,"na,me"\r\n007,"x\ny"\r\n\r\n8\r\n9,"say ""hi"""',
    ['{"id":"007","na,me":"x\\ny"}', "line 5: 1 values under a header line of 2", '{"id":"9","na,me":"say \\"hi\\""}'],
  ],
  ["csv", "\ufeffa,__proto__\n1,2\n", ['{"a":"1","__proto__":"2"}']],
  ["csv", "a,b,a\n1,2,3\n", ['65 line 1: the header line names "a" twice; rename one of them']],
  [
    "csv",
    'a\n1\n"x" y\n2\n',
    ['{"a":"1"}', `65 line 3: something follows a closing quote; a quote inside a value is written ""${AFTER}`],
  ],
  [
    "csv",
    'a\n1\nx"y\n2\n',
    [
      '{"a":"1"}',
      `65 line 3: a quote in the middle of a value; quote the whole value and write the quote twice${AFTER}`,
    ],
  ],
  ["csv", 'a\n1\n"x\n2', ['{"a":"1"}', `65 line 4: a quoted value is not closed${AFTER}`]],
  [
    "yaml",
    "a: 1.50\nb: 12345678901234567890123\nc: 0x1F\nd: -.5\ne: +1e3\nf: 007\ng: ~\nh: 'y'\n",
    ['{"a":1.50,"b":12345678901234567890123,"c":31,"d":-0.5,"e":1e3,"f":7,"g":null,"h":"y"}'],
  ],
  [
    "yaml",
    "%YAML 1.2\n---\na: 1\n---\n# none\n---\n- {b: 1}\n- {c: &x 1, d: *x}\n...\n---\ne: |\n  --- f\n",
    ['{"a":1}', '{"b":1}', '{"c":1,"d":1}', '{"e":"--- f\\n"}'],
  ],
  [
    "yaml",
    '<<: 1\n---\n"<<": 1\n',
    ['line 1: a merge key (<<) that is given no mapping; as data it is written "<<"', '{"<<":1}'],
  ],
  ["yaml", "base: &b {x: 1}\nc:\n  <<: *b\n", ['{"base":{"x":1},"c":{"x":1}}']],
  [
    "yaml",
    "a: [\n---\nb: .inf\n---\nc: 1\nc: 2\n---\nd: !x 1\n---\n? [1]\n: 1\n---\ne: 1\n",
    [
      "line 2: no YAML that JSON can say (BAD_INDENT)",
      "line 3: a number that JSON does not have",
      "line 6: no YAML that JSON can say (DUPLICATE_KEY)",
      "line 8: no YAML that JSON can say (TAG_RESOLVE_FAILED)",
      "line 10: a key that is no plain word",
      '{"e":1}',
    ],
  ],
  [
    "yaml",
    `a: &a [${"x,".repeat(50)}]\nb: &b [${"*a,".repeat(50)}]\nc: [${"*b,".repeat(50)}]\n`,
    ["line 1: aliases that lead nowhere, or to more than 100 nodes"],
  ],
];

describe.each([1, 3, 1000])("in pieces of %i bytes", (pieceBytes) => {
  test.each(TABLE)("%s %j", async (format, input, expected) => {
    expect(await read(format, input, pieceBytes)).toEqual(expected);
  });
});

const events = fc.array(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }));
const pieces = fc.integer({ min: 1, max: 40 });
const indent = fc.constantFrom(0, 2);

test("ndjson and json give every event back, however it is laid out and cut", async () => {
  await fc.assert(
    fc.asyncProperty(events, pieces, indent, fc.boolean(), async (all, pieceBytes, spaces, isArray) => {
      const laidOut = isArray ? JSON.stringify(all, null, spaces) : all.map((one) => JSON.stringify(one, null, spaces));
      const json = await read(
        "json",
        typeof laidOut === "string" ? laidOut : laidOut.join(spaces === 0 ? "" : "\n"),
        pieceBytes,
      );
      expect(json.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(all)));
      const lines = all.map((one) => JSON.stringify(one));
      expect(await read("ndjson", lines.join("\n"), pieceBytes)).toEqual(lines);
    }),
  );
});

test("csv gives every value back", async () => {
  const table = fc
    .uniqueArray(fc.string({ minLength: 1, unit: fc.constantFrom("a", "b", ",", '"', "\n", "\u00fc", " ") }), {
      minLength: 2,
      maxLength: 5,
    })
    .chain((header) =>
      fc.tuple(
        fc.constant(header),
        fc.array(
          fc.tuple(...header.map(() => fc.string({ unit: fc.constantFrom("x", ",", '"', "\r\n", "\u{1f600}") }))),
        ),
      ),
    );
  await fc.assert(
    fc.asyncProperty(table, pieces, async ([header, rows], pieceBytes) => {
      const line = (values: string[]) => `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")}\r\n`;
      const found = await read("csv", [header, ...rows].map(line).join(""), pieceBytes);
      expect(found.map((text) => JSON.parse(text))).toEqual(
        rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i]]))),
      );
    }),
  );
});

test("yaml gives every event back", async () => {
  const plain = fc.array(
    fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 }),
  );
  await fc.assert(
    fc.asyncProperty(plain, pieces, async (all, pieceBytes) => {
      fc.pre(!JSON.stringify(all).includes('"<<"')); // the library writes it without quotes, which is a merge key
      const found = await read("yaml", all.map((one) => `---\n${stringifyYaml(one)}`).join(""), pieceBytes);
      expect(found.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(all)));
    }),
    { numRuns: 50 },
  );
});

test.each([
  ["x.JSON", "json"],
  ["x.jsonl", "ndjson"],
  ["x.yml", "yaml"],
  ["csv", "ndjson"],
  [undefined, "ndjson"],
])("%s is read as %s", (file, format) => {
  expect(guessFormat(file)).toBe(format);
});
