import { type Duplex, duplexPair } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Connection } from "./connection.ts";
import { Flag, FrameType, PREFACE } from "./constants.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import type { Stream } from "./stream.ts";
import { END_BOTH, frame, POST, say, TestStream, uint32 } from "./testing.ts";

// Whatever comes in: no exception, every stream that was handed up is closed exactly once, no slot and no byte stays, and
// what goes out are frames.

/** FUZZ_RUNS=50000 for a long night. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 500);

/** What the layer above does with a stream, by a number; the last never answers. */
const BEHAVIOURS: ((stream: TestStream) => void)[] = [
  (stream) => stream.respond("done", true),
  (stream) => {
    stream.respond("x".repeat(40_000));
    stream.end();
  },
  (stream) => stream.connection.reset(stream.stream, 8),
  (stream) => {
    stream.stream.resetAfterEnd = true;
    stream.respond("early", true);
  },
  (stream) => {
    setImmediate(() => stream.closedTimes === 0 && stream.respond("later", true));
  },
  (stream) => {
    stream.respond("half");
    setImmediate(() => stream.closedTimes === 0 && stream.end());
  },
  () => {},
];

class Subject {
  readonly streams: TestStream[] = [];
  readonly connection: Connection;
  readonly client: Duplex;
  readonly gone: Promise<void>;
  private output = Buffer.alloc(0);

  constructor(seed: number) {
    const [client, server] = duplexPair();
    this.client = client;
    client.on("error", () => {});
    client.on("data", (bytes: Buffer) => {
      this.output = Buffer.concat([this.output, bytes]);
    });
    let tellGone = () => {};
    this.gone = new Promise((resolve) => {
      tellGone = resolve;
    });
    const handler = {
      accept: (connection: Connection, stream: Stream) => {
        const opened = new TestStream(connection, stream);
        this.streams.push(opened);
        BEHAVIOURS[(seed + (opened.id >> 1)) % BEHAVIOURS.length]?.(opened);
        return opened;
      },
      closed: () => tellGone(),
    };
    const limits = {
      ...DEFAULT_LIMITS,
      concurrentStreams: 20,
      fruitlessResets: 50,
      idleFrames: 200,
      queuedBytes: 200_000,
    };
    this.connection = new Connection(server, handler, limits);
  }

  /** Resolves when all of it has been read, or the connection is gone. */
  async send(bytes: Uint8Array, pieceBytes: number): Promise<void> {
    for (let pos = 0; pos < bytes.length; pos += pieceBytes) {
      const written = new Promise((resolve) => this.client.write(bytes.subarray(pos, pos + pieceBytes), resolve));
      await Promise.race([written, this.gone]);
    }
    await turns(2);
  }

  /** Ends it and looks at what is left. */
  async check(): Promise<void> {
    this.connection.drain();
    this.connection.tick(1);
    this.connection.tick(60_000);
    this.connection.destroy();
    await this.gone;
    await turns(2);
    expect(this.streams.filter((stream) => stream.closedTimes !== 1)).toEqual([]);
    expect([this.connection.streamsActive, this.connection.queuedBytes]).toEqual([0, 0]);
    let pos = 0;
    while (pos < this.output.length) {
      expect(this.output.readUIntBE(pos, 3)).toBeLessThanOrEqual(16_384);
      expect(this.output[pos + 3]).toBeLessThanOrEqual(FrameType.CONTINUATION);
      pos += 9 + this.output.readUIntBE(pos, 3);
    }
    expect(pos).toBe(this.output.length);
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

const streamId = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }).map((i) => i * 2 + 1) }, fc.nat(30));
const flags = fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 9, 0x20, 0x25, 0x2d), fc.nat(255));
const payload = fc.uint8Array({ maxLength: 60 });
const increment = fc.oneof(fc.constantFrom(0, 1, 100, 65_535, 0x7fff_ffff), fc.nat());

/** Frames as a peer might send them: mostly right, in any order. */
const anyFrame: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(streamId, fc.constantFrom(4, END_BOTH)).map(([id, end]) => say.headers(id, POST, end)),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(streamId, fc.constantFrom(0, 1), payload).map(([id, end, data]) => say.data(id, data, end)),
  },
  { weight: 2, arbitrary: fc.tuple(streamId, fc.nat(14)).map(([id, code]) => say.reset(id, code)) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.oneof(fc.constant(0), streamId), increment).map(([id, by]) => say.windowUpdate(id, by)),
  },
  { weight: 2, arbitrary: fc.tuple(fc.nat(8), increment).map(([setting, value]) => say.settings([setting, value])) },
  {
    weight: 1,
    arbitrary: fc.tuple(flags, payload).map(([flag, data]) => frame(FrameType.PING, flag, 0, data.subarray(0, 8))),
  },
  { weight: 1, arbitrary: streamId.map((id) => frame(FrameType.HEADERS, 0, id, encodeHeaders(POST).subarray(0, 9))) },
  {
    weight: 1,
    arbitrary: streamId.map((id) =>
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, id, encodeHeaders(POST).subarray(9)),
    ),
  },
  { weight: 1, arbitrary: fc.constant(frame(FrameType.GOAWAY, 0, 0, uint32(0, 0))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(12), flags, streamId, payload)
      .map(([type, flag, id, data]) => frame(type, flag, id, data)),
  },
);

/** Steps of a peer that mostly keeps to the rules: streams open in order, and frames are about those that were opened. */
type Step = { act: number; pick: number; size: number; odd: Buffer };

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.nat(99),
  pick: fc.nat(5),
  size: fc.oneof({ weight: 9, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.nat(3000) }),
  odd: anyFrame,
});

function play(steps: readonly Step[]): Buffer {
  let last = -1;
  const frames = steps.map(({ act, pick, size, odd }) => {
    const id = Math.max(1, last - pick * 2);
    if (act < 35 || last < 0) {
      last += 2;
      return say.headers(
        last,
        act % 5 === 0 ? [...POST, "content-length", String(size)] : POST,
        act % 2 ? 4 : END_BOTH,
      );
    }
    if (act < 60) return say.data(id, Buffer.alloc(size, act), act % 3 === 0 ? 1 : 0);
    if (act < 70) return say.reset(id, 8);
    if (act < 80) return say.windowUpdate(act % 2 ? 0 : id, size * 20 + 1);
    if (act < 86) return say.window(size * (act % 3) * 10);
    if (act < 90) return say.headers(id, ["x-trailer", "1"], END_BOTH);
    if (act < 98) return say.ping("12345678");
    return odd;
  });
  return Buffer.concat(frames);
}

const seed = fc.nat(6);
const pieceBytes = fc.constantFrom(3, 50, 700, 100_000);

/** Other bytes at some places, as fractions of the whole. */
const changes = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999_999, noNaN: true }), fc.nat(255)), { maxLength: 6 });

function mutate(bytes: Buffer, edits: [number, number][]): Buffer {
  const mutated = Buffer.from(bytes);
  for (const [where, value] of edits) mutated[Math.floor(where * mutated.length)] = value;
  return mutated;
}

/** The number of streams it opened. */
async function survive(bytes: Buffer, how: number, size: number): Promise<number> {
  const subject = new Subject(how);
  await subject.send(bytes, size);
  await subject.check();
  return subject.streams.length;
}

describe("a connection survives", { timeout: 120_000 }, () => {
  it("a peer that mostly keeps to the rules", async () => {
    const steps = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });
    let streams = 0;
    await fc.assert(
      fc.asyncProperty(steps, seed, pieceBytes, async (script, how, size) => {
        streams += await survive(Buffer.concat([PREFACE, say.settings(), play(script)]), how, size);
      }),
      { numRuns: RUNS },
    );
    expect(streams).toBeGreaterThan(RUNS * 5); // it is not all refused at the door
  });

  it("a peer that mostly keeps to the rules, with wrong bytes", async () => {
    const steps = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(steps, changes, seed, pieceBytes, async (script, edits, how, size) => {
        const bytes = mutate(Buffer.concat([say.settings(), play(script)]), edits);
        await survive(Buffer.concat([PREFACE, bytes]), how, size);
      }),
      { numRuns: RUNS },
    );
  });

  it("frames in any order", async () => {
    const frames = fc.array(anyFrame, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(frames, seed, pieceBytes, async (sent, how, size) => {
        await survive(Buffer.concat([PREFACE, say.settings(), ...sent]), how, size);
      }),
      { numRuns: RUNS },
    );
  });

  it("bytes that are no frames, and header blocks that are none", async () => {
    const noise = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(noise, fc.array(noise, { maxLength: 5 }), pieceBytes, async (bytes, blocks, size) => {
        const headers = blocks.map((block, i) => frame(FrameType.HEADERS, END_BOTH, i * 2 + 1, block));
        await survive(Buffer.concat([PREFACE, say.settings(), ...headers, bytes]), 0, size);
        await survive(Buffer.from(bytes), 0, size);
      }),
      { numRuns: RUNS },
    );
  });
});
