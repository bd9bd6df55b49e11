/** The body of a request: collected within the memory there is, its coding undone. */
import type { IncomingMessage } from "node:http";
import { type Coding, codingOf, decodeBody } from "../engine/runtime/codings.ts";
import type { MemoryBudget } from "../engine/runtime/memory-budget.ts";
import { shareBytes } from "../engine/runtime/shared-bytes.ts";

/**
 * - `tooLarge`: it, or what it decodes to, is larger than allowed
 * - `overload`: the process has no memory left for it
 * - `gone`: the client went away
 */
export type BodyFailure = { failure: "tooLarge" | "overload" | "gone" | "unreadable"; detail: string };

/** What a request holds of the process's memory. */
export type Held = { bodies: number; decoded: number };

export function giveBack(budget: MemoryBudget, held: Held): void {
  if (held.bodies > 0) budget.give("bodies", held.bodies);
  if (held.decoded > 0) budget.give("decoded", held.decoded);
  held.bodies = 0;
  held.decoded = 0;
}

/** Calls back once. What `held` says then is to be given back when the body is no longer needed. */
export function readContent(
  request: IncomingMessage,
  bytesMax: number,
  budget: MemoryBudget,
  held: Held,
  done: (content: Uint8Array | BodyFailure) => void,
): void {
  collect(request, bytesMax, budget, held, (body) => {
    const coding = codingOf(request.headers["content-encoding"]);
    if (!(body instanceof Uint8Array) || coding === undefined || coding === "identity") done(body);
    else void decode(coding, body, bytesMax, budget, held).then(done);
  });
}

const OVERLOAD: BodyFailure = { failure: "overload", detail: "no memory is left for the body" };
const TOO_LARGE: BodyFailure = { failure: "tooLarge", detail: "" };
const GONE: BodyFailure = { failure: "gone", detail: "" };

/** Takes from the budget what content-length announces, or chunk by chunk where nothing is announced. */
function collect(
  request: IncomingMessage,
  bytesMax: number,
  budget: MemoryBudget,
  held: Held,
  done: (body: Uint8Array | BodyFailure) => void,
): void {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (!budget.tryTake("bodies", announced)) {
    done(OVERLOAD);
    return;
  }
  held.bodies = announced;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isDone = false;
  const settle = (body: Uint8Array | BodyFailure): void => {
    if (isDone) return;
    isDone = true;
    request.removeListener("data", onData);
    done(body);
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bytesMax) settle(TOO_LARGE);
    else if (bytes > held.bodies && !budget.tryTake("bodies", bytes - held.bodies)) settle(OVERLOAD);
    else {
      held.bodies = Math.max(held.bodies, bytes);
      chunks.push(chunk);
    }
  };
  request.on("data", onData);
  request.on("end", () => settle(joined(chunks, bytes)));
  request.on("close", () => settle(GONE));
  request.on("error", closes);
}

function closes(): void {}

/** From here on a body may go to a thread (engine/runtime/pool.ts): where that sees it, it is not copied for it. */
const SHARED_BYTES_MIN = 65_536;

function joined(chunks: readonly Buffer[], bytes: number): Uint8Array {
  if (bytes >= SHARED_BYTES_MIN) return shareBytes(chunks);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

/** Never rejects. */
async function decode(
  coding: Coding,
  body: Uint8Array,
  bytesMax: number,
  budget: MemoryBudget,
  held: Held,
): Promise<Uint8Array | BodyFailure> {
  const content = await decodeBody(coding, body, bytesMax);
  if (content === "unparsable") return { failure: "unreadable", detail: `the body is not valid ${coding}` };
  if (content === "tooLarge") return TOO_LARGE;
  if (!budget.tryTake("decoded", content.length)) return OVERLOAD;
  held.decoded = content.length;
  return content;
}
