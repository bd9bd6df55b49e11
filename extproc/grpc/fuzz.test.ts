import { readdirSync, readFileSync } from "node:fs";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Connection } from "../http2/connection.ts";
import { DEFAULT_LIMITS } from "../http2/limits.ts";
import type { GrpcCall, MessageHandler } from "./call.ts";
import { GrpcConnection } from "./grpc-connection.ts";

// What real Envoys sent, as it is and with wrong bytes in it.

const FOLDER = new URL("../../test/fixtures/http2/", import.meta.url);
const CORPUS = readdirSync(FOLDER).filter((name) => name.endsWith(".bin"));
const RECORDER = new URL("../../test/e2e/transport/record.ts", import.meta.url);
const PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const ASSEMBLY_BYTES = 1_000_000;

type Seen = { opened: number; closed: number; messages: number; late: number };

/** Feeds a connection, answers every message with itself, cuts it, and counts. */
async function feed(bytes: Uint8Array, pieceBytes: number): Promise<Seen> {
  const seen: Seen = { opened: 0, closed: 0, messages: 0, late: 0 };
  const serve = (call: GrpcCall): MessageHandler => {
    let open = true;
    seen.opened++;
    return {
      recv(message) {
        if (!open) seen.late++;
        seen.messages++;
        call.send(message);
      },
      recvEnd: () => call.end(),
      closed() {
        if (open) seen.closed++;
        open = false;
      },
    };
  };
  const [client, server] = duplexPair();
  client.on("error", () => {});
  client.resume();
  const gone = new Promise<void>((resolve) => {
    const limits = { messageBytes: 100_000, assemblyBytes: ASSEMBLY_BYTES };
    const handler = new GrpcConnection(new Map([[PATH, serve]]), limits, () => resolve());
    const connection = new Connection(server, handler, DEFAULT_LIMITS);
    for (let pos = 0; pos < bytes.length; pos += pieceBytes) client.write(bytes.subarray(pos, pos + pieceBytes));
    client.end(() => connection.destroy());
  });
  await gone;
  return seen;
}

it("has recordings to start from", () => {
  expect(CORPUS.length, `make them with \`node ${RECORDER.pathname}\``).toBeGreaterThan(2);
});

describe.each(CORPUS)("%s", (name) => {
  const recorded = readFileSync(new URL(name, FOLDER));

  it.each([1, 13, 1000, 1_000_000])("is understood in pieces of %d bytes", async (pieceBytes) => {
    const whole = await feed(recorded, 1_000_000);
    expect(whole.messages).toBeGreaterThan(5);
    expect([whole.late, whole.closed]).toEqual([0, whole.opened]);
    expect(await feed(recorded, pieceBytes)).toEqual(whole);
  });

  it("with wrong bytes in it breaks nothing", { timeout: 120_000 }, async () => {
    const place = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    const edits = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 });
    const cut = fc.double({ min: 0.01, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(edits, cut, fc.constantFrom(100, 5000, 1_000_000), async (changes, part, pieceBytes) => {
        const bytes = Buffer.from(recorded.subarray(0, Math.ceil(recorded.length * part)));
        for (const [where, value] of changes) bytes[Math.floor(where * bytes.length)] = value;
        const seen = await feed(bytes, pieceBytes);
        expect([seen.late, seen.closed]).toEqual([0, seen.opened]);
      }),
      { numRuns: 300 },
    );
  });
});
