import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Codec, TeeTarget } from "../core/ports.ts";
import { addCopy, type Copy, newBatch, outgoingOf, ownBytes } from "./tee-batch.ts";

const TARGET: TeeTarget = { type: "ExternalObjectStore", name: "a", outputType: "object", connectionString: "mem:a" };

function outgoing(codec: Codec, texts: readonly string[], idOf: (i: number) => string = String) {
  const sending = {
    tee: "t",
    keyPrefix: "p/{year}/{hour}/",
    spool: "",
    batch: { events: 99, bytes: 1e6, ms: 1, codec },
  };
  const copies = texts.map((text, i) => ({
    id: idOf(i),
    event: ownBytes(text, Buffer.byteLength(text)),
    charge: 0,
    returned: undefined,
  }));
  const [first, ...rest] = copies as [Copy, ...Copy[]];
  const batch = newBatch(TARGET, sending, Date.UTC(2026, 10, 24, 9), first);
  for (const copy of rest) addCopy(batch, copy);
  return outgoingOf(batch);
}

const PRETTY = '{\r\n  "text": "é \\n 😀",\n\t"n": 12.50\r}';

describe("a batch is written", () => {
  test("as an array, each event to the byte", async () => {
    const { body, codec, keyPrefix } = await outgoing("json", [PRETTY, "{}"]);
    expect({ body: body.toString(), codec, keyPrefix }).toEqual({
      body: `[${PRETTY},{}]`,
      codec: "json",
      keyPrefix: "p/2026/09/",
    });
  });

  test("as lines: an event that was laid out over several becomes one", async () => {
    const { body } = await outgoing("ndjson", [PRETTY, "{}"]);
    expect(body.toString()).toBe('{    "text": "é \\n 😀", \t"n": 12.50 }\n{}\n');
  });

  test("as lines in gzip, the same bytes each time", async () => {
    const [one, two] = await Promise.all([outgoing("ndjson.gz", ["{}", "{}"]), outgoing("ndjson.gz", ["{}", "{}"])]);
    expect(gunzipSync(one.body).toString()).toBe("{}\n{}\n");
    expect(one.body).toEqual(two.body);
  });

  test("whatever is in it, each line is its event", async () => {
    const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(objects, fc.boolean(), async (values, pretty) => {
        const texts = values.map((value) => JSON.stringify(value, null, pretty ? 2 : undefined));
        const lines = (await outgoing("ndjson", texts)).body.toString().split("\n");
        expect(lines.pop()).toBe("");
        expect(lines.map((line) => JSON.parse(line))).toEqual(texts.map((text) => JSON.parse(text)));
        expect(JSON.parse((await outgoing("json", texts)).body.toString())).toEqual(
          texts.map((text) => JSON.parse(text)),
        );
      }),
    );
  });
});

test("a batch's id is made of its events' ids and of nothing else", async () => {
  const ids = async (...all: string[]) =>
    (
      await outgoing(
        "json",
        all.map(() => "{}"),
        (i) => all[i] as string,
      )
    ).id;
  expect(await ids("a", "b")).toBe((await outgoing("ndjson", ["1", "2"], (i) => "ab"[i] as string)).id);
  expect(await ids("a", "b")).not.toBe(await ids("b", "a"));
  expect(await ids("ab")).not.toBe(await ids("a", "b"));
});

test("bytes of its own are not of a pool, and are what UTF-8 says", () => {
  const own = ownBytes("é😀\ud800", 9);
  expect(own.buffer.byteLength).toBe(9);
  expect(own).toEqual(Buffer.from("é😀\ud800"));
});
