/** A scenario: one or a few calls to the server, which throws with what was wrong. */
import type { Server } from "./client.ts";
import type { OwnServer } from "./own-server.ts";

export type Scenario = {
  name: string;
  run(server: Server): Promise<void>;
};

/** One that knows the configuration of our own server. */
export type OwnScenario = {
  name: string;
  run(server: Server, own: OwnServer): Promise<void>;
};

const WAIT_MS = 10_000;

/** Waits for what must happen soon; when it does not, says so. */
export async function within(promise: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${WAIT_MS / 1000} s`)), WAIT_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export function same(found: unknown, wanted: unknown, what: string): void {
  const [left, right] = [show(found), show(wanted)];
  if (left !== right) throw new Error(`${what}: ${cut(left)} instead of ${cut(right)}`);
}

function show(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : JSON.stringify(value);
}

function cut(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}… (${text.length})`;
}

/** Headers as Envoy sends them (facts 3.12); a response's where `path` is a status. */
export function requestHeaders(path: string, ...more: string[]): string[] {
  return [":authority", "shop.example", ":path", path, ":method", "POST", ":scheme", "http", ...more];
}

export function responseHeaders(status: number, ...more: string[]): string[] {
  return [":status", String(status), ...more];
}

export const JSON_TYPE = ["content-type", "application/json"];

/** A JSON object of exactly so many bytes. */
export function jsonOf(bytes: number): Buffer {
  const frame = '{"pad":""}'.length;
  return Buffer.from(bytes < frame ? "1".repeat(bytes) : `{"pad":"${"x".repeat(bytes - frame)}"}`);
}

/** The body in chunks of so many bytes. */
export function cutInto(body: Uint8Array, chunkBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let pos = 0; pos < body.length; pos += chunkBytes) chunks.push(body.subarray(pos, pos + chunkBytes));
  return chunks;
}
