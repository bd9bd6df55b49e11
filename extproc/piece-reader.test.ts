import fc from "fast-check";
import { expect, test } from "vitest";
import type { LinkedSection } from "../engine/core/routes/section.ts";
import { newPieceReader, readPiece, verdictOf } from "./piece-reader.ts";

/** Without pipelines: every object passes as it came, what is none is a fault and passes too. */
const section = {
  plan: {
    direction: "request",
    enforce: true,
    limits: { bodyBytes: 1e6, depth: 64, deadlineMs: 0 },
    onFault: {},
    setHeaders: [],
  },
  pipelines: [],
  ports: {},
} as unknown as LinkedSection;

function through(type: string, pieces: readonly Uint8Array[]) {
  const reader = newPieceReader(section, type, undefined, "", (_section, verdict) => verdict);
  const out = pieces.map((piece, i) => readPiece(reader, piece, i === pieces.length - 1) as Uint8Array);
  return { out: out.map((bytes) => Buffer.from(bytes).toString("latin1")), verdict: verdictOf(reader) };
}

const BYTES = [0xff, 0x80, 0xc0, 0xe2, 0x82, 0xac, 0xf0, 0x9d, 0x84, 0x9e, 0x22, 0x0a, 0x0d];
const anyBytes = fc.oneof(
  fc.array(fc.constantFrom(...BYTES), { maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: "binary", maxLength: 60 }).map((text) => Buffer.from(text)),
);

test("any bytes that pass come out as they came, however they were cut", () => {
  const pieces = fc.array(anyBytes, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(pieces, fc.constantFrom("application/x-ndjson", "text/event-stream"), (cut, type) => {
      const whole = Buffer.concat(cut);
      expect(through(type, cut).out.join("")).toBe(whole.toString("latin1"));
      expect(through(type, cut).verdict).toEqual(through(type, [whole]).verdict);
    }),
    { numRuns: 1000 },
  );
});

test("a character that is cut waits for its other half, and no longer than to the end", () => {
  const euro = Buffer.from('"€"\n');
  expect(through("application/x-ndjson", [euro.subarray(0, 2), euro.subarray(2)]).out).toEqual(["", '"â\x82¬"\n']);
  expect(through("application/x-ndjson", [euro.subarray(0, 2), new Uint8Array(0)]).out).toEqual(["", '"â']);
});

test("bytes that are no UTF-8 are a fault of the message", () => {
  const { verdict } = through("application/x-ndjson", [Buffer.from('{"a":"\xff"}\n', "latin1")]);
  expect(verdict).toMatchObject({ kind: "faulted", reason: "unparsable", detail: "not valid UTF-8" });
});
