/** The body of a request as text: collected within the memory there is, its coding undone, checked to be UTF-8. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { openBytes } from "../engine/core/body/utf8.ts";
import { type Coding, codingOf, decodeBody } from "../engine/runtime/codings.ts";
import type { MemoryBudget } from "../engine/runtime/memory-budget.ts";
import { decodeUtf8 } from "../engine/runtime/treat-content.ts";

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

/** Never rejects. What `held` says afterwards is to be given back when the body is no longer needed. */
export async function readText(
  request: IncomingMessage,
  bytesMax: number,
  budget: MemoryBudget,
  held: Held,
): Promise<string | BodyFailure> {
  const body = await collect(request, bytesMax, budget, held);
  if ("failure" in body) return body;
  const coding = codingOf(request.headers["content-encoding"]);
  const content = coding === undefined || coding === "identity" ? body : await decode(coding, body, bytesMax);
  if ("failure" in content) return content;
  if (content !== body) {
    if (!budget.tryTake("decoded", content.length)) return OVERLOAD;
    held.decoded = content.length;
  }
  return decodeUtf8(content) ?? unreadable(`byte ${validBytes(content) + 1}: not valid UTF-8`);
}

const OVERLOAD: BodyFailure = { failure: "overload", detail: "no memory is left for the body" };
const TOO_LARGE: BodyFailure = { failure: "tooLarge", detail: "" };
const GONE: BodyFailure = { failure: "gone", detail: "" };

function unreadable(detail: string): BodyFailure {
  return { failure: "unreadable", detail };
}

/** Takes from the budget what content-length announces, or chunk by chunk where nothing is announced. */
function collect(
  request: IncomingMessage,
  bytesMax: number,
  budget: MemoryBudget,
  held: Held,
): Promise<Buffer | BodyFailure> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (!budget.tryTake("bodies", announced)) return Promise.resolve(OVERLOAD);
  held.bodies = announced;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (failure: BodyFailure): void => {
      request.removeListener("data", onData);
      resolve(failure);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) fail(TOO_LARGE);
      else if (bytes > held.bodies && !budget.tryTake("bodies", bytes - held.bodies)) fail(OVERLOAD);
      else {
        held.bodies = Math.max(held.bodies, bytes);
        chunks.push(chunk);
      }
    };
    request.on("data", onData);
    request.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.once("close", () => resolve(GONE)); // behind the end it changes nothing
    request.once("error", () => resolve(GONE));
  });
}

async function decode(coding: Coding, body: Buffer, bytesMax: number): Promise<Uint8Array | BodyFailure> {
  const content = await decodeBody(coding, body, bytesMax);
  if (content === "unparsable") return unreadable(`the body is not valid ${coding}`);
  return content === "tooLarge" ? TOO_LARGE : content;
}

/** How many bytes at the beginning are whole characters. */
function validBytes(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const head = bytes.subarray(0, middle);
    if (isUtf8(head.subarray(0, middle - openBytes(head)))) low = middle;
    else high = middle - 1;
  }
  return low - openBytes(bytes.subarray(0, low));
}
