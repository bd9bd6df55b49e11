import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { FrameType } from "./constants.ts";
import { Output, SEND_PAYLOAD_BYTES_MAX } from "./output.ts";

/** A socket that takes nothing before it is told to. */
function slowSocket() {
  const written: Buffer[] = [];
  const waiting: { chunks: Buffer[]; done: () => void }[] = [];
  const socket = new Writable({
    writev(chunks, done) {
      waiting.push({ chunks: chunks.map(({ chunk }) => chunk as Buffer), done });
    },
    write(chunk: Buffer, _encoding, done) {
      waiting.push({ chunks: [chunk], done });
    },
  });
  const takeOne = () => {
    const next = waiting.shift();
    written.push(...(next?.chunks ?? []).map((chunk) => Buffer.from(chunk)));
    next?.done();
    return next !== undefined;
  };
  return { socket, written, takeOne };
}

const FRAMES = 20; // more than chunks hold

function writeLarge(output: Output, filling: number): void {
  for (let i = 0; i < FRAMES; i++) {
    const at = output.reserve(FrameType.DATA, 0, 1, SEND_PAYLOAD_BYTES_MAX);
    output.chunk.fill(filling, at, at + SEND_PAYLOAD_BYTES_MAX);
  }
  output.flush();
}

test("large answers arrive as written, however late the socket takes them, and their memory is used again", async () => {
  const { socket, written, takeOne } = slowSocket();
  const output = new Output(socket as never);
  const used = new Set<ArrayBufferLike>();
  for (let filling = 1; filling <= 6; filling++) {
    writeLarge(output, filling);
    used.add(output.chunk.buffer);
    if (filling % 2 === 0) takeOne();
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (takeOne()) await new Promise((resolve) => setImmediate(resolve));
  const bytes = Buffer.concat(written);
  const frame = 9 + SEND_PAYLOAD_BYTES_MAX;
  expect(bytes.length).toBe(6 * FRAMES * frame);
  for (let i = 0; i < 6 * FRAMES; i++) {
    const payload = bytes.subarray(i * frame + 9, (i + 1) * frame);
    expect(payload.every((byte) => byte === 1 + Math.floor(i / FRAMES))).toBe(true);
  }
  const all = new Set<ArrayBufferLike>();
  for (let i = 0; i < 3; i++) {
    writeLarge(output, 7);
    while (takeOne()) await new Promise((resolve) => setImmediate(resolve));
    all.add(output.chunk.buffer);
  }
  writeLarge(output, 8);
  while (takeOne()) await new Promise((resolve) => setImmediate(resolve));
  expect([...used, ...all]).toContain(output.chunk.buffer);
});
