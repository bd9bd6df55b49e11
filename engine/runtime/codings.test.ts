import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Coding, codingOf, decodeBody, encodeBody } from "./codings.ts";

const CODINGS: Coding[] = ["gzip", "deflate", "br", "zstd"];
const MEBI = 1_048_576;
const reference = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };

function jsonOf(bytes: number): Buffer {
  const element = '{"id":12345678901234567890,"name":"ann","ok":true},';
  return Buffer.from(`[${element.repeat(Math.ceil(bytes / element.length))}{}]`);
}

describe("a content-encoding", () => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, "identity"],
    ["", "identity"],
    ["identity", "identity"],
    ["gzip", "gzip"],
    [" GZip ", "gzip"],
    ["x-gzip", "gzip"],
    ["br", "br"],
    ["zstd", "zstd"],
    ["deflate", "deflate"],
    ["compress", undefined],
    ["gzip, br", undefined],
    ["gzip,gzip", undefined],
    ["identity, gzip", undefined],
    ["gzip;q=1", undefined],
    ["dcb", undefined],
    ["constructor", undefined],
  ];
  test.each(cases)("%j is %s", (header, coding) => {
    expect(codingOf(header)).toBe(coding);
  });
});

describe.each(CODINGS)("%s", (coding) => {
  test.each([0, 1, 1000, 65_536, 300_000, 3 * MEBI])("gives back what it coded of some %i bytes", async (size) => {
    const content = jsonOf(size);
    const coded = await encodeBody(coding, content);
    expect(Buffer.compare((await decodeBody(coding, coded, 8 * MEBI)) as Uint8Array, content)).toBe(0);
    expect(size < 1000 || coded.length < content.length / 4).toBe(true);
  });

  test("answers at once for small bodies, and later for large ones", () => {
    const small = jsonOf(1000);
    expect(encodeBody(coding, small)).toBeInstanceOf(Uint8Array);
    expect(decodeBody(coding, reference[coding](small), MEBI)).toBeInstanceOf(Uint8Array);
    const large = jsonOf(MEBI);
    expect(encodeBody(coding, large)).toBeInstanceOf(Promise);
    expect(decodeBody(coding, reference[coding](large), 2 * MEBI)).toBeInstanceOf(Promise);
  });

  test("content of exactly the bound is taken, one byte more is not", async () => {
    for (const bound of [1000, 100_000, MEBI]) {
      const fits = reference[coding](Buffer.alloc(bound, "a"));
      const over = reference[coding](Buffer.alloc(bound + 1, "a"));
      expect((await decodeBody(coding, fits, bound)) as Uint8Array).toHaveLength(bound);
      expect(await decodeBody(coding, over, bound)).toBe("tooLarge");
    }
  });

  test("a bomb ends at the bound", async () => {
    const bomb = reference[coding](Buffer.alloc(10 * MEBI));
    expect(bomb.length).toBeLessThan(11_000);
    expect(decodeBody(coding, bomb, 100_000)).toBe("tooLarge");
    expect(await decodeBody(coding, bomb, 8 * MEBI)).toBe("tooLarge");
    const large = reference[coding](Buffer.alloc(200 * MEBI));
    const before = process.memoryUsage().arrayBuffers; // what made the bomb included
    const pending = decodeBody(coding, large, 2 * MEBI);
    expect(await pending).toBe("tooLarge");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * MEBI);
  });

  test("cut short anywhere it is unparsable", async () => {
    const coded = reference[coding](jsonOf(300));
    for (let i = 0; i < coded.length; i++)
      expect(await decodeBody(coding, coded.subarray(0, i), MEBI)).toBe("unparsable");
    const large = await encodeBody(
      coding,
      Buffer.from(fc.sample(fc.uint8Array({ minLength: 90_000 }), 1)[0] as Uint8Array),
    );
    for (const cut of [65_537, large.length - 1]) {
      if (large.length > cut) expect(await decodeBody(coding, large.subarray(0, cut), MEBI)).toBe("unparsable");
    }
  });

  const tails: [string, (coded: Uint8Array) => Uint8Array][] = [
    ["a zero", () => Buffer.from([0])],
    ["text", () => Buffer.from('{"card":"4111111111111111"}')],
    ["a second body of the coding", (coded) => coded],
  ];
  test.each(tails)("with %s behind its end it is unparsable", async (_title, tail) => {
    const coded = reference[coding](jsonOf(300));
    expect(await decodeBody(coding, Buffer.concat([coded, tail(coded)]), MEBI)).toBe("unparsable");
    const large = reference[coding](Buffer.concat([jsonOf(10), noise(100_000)]));
    expect(await decodeBody(coding, Buffer.concat([large, tail(large)]), MEBI)).toBe("unparsable");
  });

  test("bytes that are anything else never throw and never pass unread", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const decoded = await decodeBody(coding, bytes, 1000);
        expect(typeof decoded === "string" || decoded.length <= 1000).toBe(true);
      }),
    );
    for (const other of CODINGS) {
      if (other === coding) continue;
      expect(await decodeBody(coding, reference[other](jsonOf(300)), MEBI)).toBe("unparsable");
    }
    expect(await decodeBody(coding, jsonOf(300), MEBI)).toBe("unparsable");
    expect(await decodeBody(coding, new Uint8Array(0), MEBI)).toBe("unparsable");
  });

  test("a byte changed on the way is unparsable or other content, never a crash", async () => {
    const coded = reference[coding](jsonOf(300));
    for (let i = 0; i < coded.length; i++) {
      const broken = Buffer.from(coded);
      broken[i] = (broken[i] as number) ^ 0x40;
      const decoded = await decodeBody(coding, broken, 10_000);
      expect(typeof decoded === "string" || decoded.length <= 10_000).toBe(true);
    }
  });
});

/** Bytes no coding makes smaller: the same ones every time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

test("bare deflate data without zlib's frame is not taken", async () => {
  expect(await decodeBody("deflate", deflateRawSync(jsonOf(300)), MEBI)).toBe("unparsable");
});

test("a zstd frame that asks for more window than HTTP allows is not taken", async () => {
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
  const content = noise(9 * MEBI);
  expect(await decodeBody("zstd", zstdCompressSync(content, { params }), 16 * MEBI)).toBe("unparsable");
});
