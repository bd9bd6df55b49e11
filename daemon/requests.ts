/** A request from its headers to its answer. What its events are taken for is another's (stateless.ts, durable.ts). */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Body } from "../engine/core/body/body.ts";
import type { MemoryBudget } from "../engine/runtime/memory-budget.ts";
import { type PostAnswer, refusePost, type Wanted } from "../engine/runtime/post-answer.ts";
import { readEvents } from "../engine/runtime/run-text.ts";
import { whyUnreadable } from "../engine/runtime/unreadable.ts";
import { type BodyFailure, giveBack, type Held, readText } from "./body.ts";
import { CLIENT_GONE, type Counts, countRequest } from "./counts.ts";
import type { OnRequest } from "./door.ts";
import { atGate, bodyTooLarge, type GateOptions, overloaded, withHeader } from "./gate.ts";

/** The events of one request. */
export type Delivery = {
  body: Body;
  /** the request's: `messageIdOf` makes the events' of it */
  id: string;
  wanted: Wanted & { contentType: string };
};

/** Answers when it is done with the events, whatever that means. Never rejects. */
export type Take = (delivery: Delivery) => Promise<PostAnswer>;

export type RequestOptions = GateOptions & {
  take: Take;
  budget: MemoryBudget;
  counts: Counts;
  /** more than so many at once are turned away */
  inProgressMax: number;
  /** answers say that their connection ends */
  isLeaving(): boolean;
  onBug(error: unknown): void;
};

/** The header that tells the sender what its events go by. */
const MESSAGE_ID = "x-agglo-message-id";

/** `internal:messageID` of an event: the request's own id where it is its only one, else numbered from 1. */
export function messageIdOf({ id, body }: Pick<Delivery, "id" | "body">, index: number): string {
  return body.events.length === 1 ? id : `${id}.${index + 1}`;
}

export function newRequests(options: RequestOptions): OnRequest {
  return (request, response, awaitsContinue) => void respond(request, response, awaitsContinue, options);
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
  options: RequestOptions,
): Promise<void> {
  const { counts, budget } = options;
  const held: Held = { bodies: 0, decoded: 0 };
  counts.inProgress++;
  let answer: PostAnswer | undefined;
  try {
    answer = await answerTo(request, response, awaitsContinue, options, held);
  } catch (error) {
    options.onBug(error);
    answer = refusePost(500, "a bug of ours; the log has it", request.headers.accept ?? "");
  }
  counts.inProgress--;
  giveBack(budget, held);
  countRequest(counts, answer === undefined ? CLIENT_GONE : answer.status);
  if (answer !== undefined) send(request, response, answer, options.isLeaving());
}

/** undefined: there is nobody to answer. */
async function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
  options: RequestOptions,
  held: Held,
): Promise<PostAnswer | undefined> {
  const accept = request.headers.accept ?? "";
  const early = atGate(request, options) ?? tooMany(options, accept);
  if (early !== undefined) {
    if (awaitsContinue) response.shouldKeepAlive = false; // nobody can know whether the body comes nevertheless
    return early;
  }
  if (awaitsContinue) response.writeContinue();
  const text = await readText(request, options.bodyBytesMax, options.budget, held);
  if (typeof text !== "string") return text.failure === "gone" ? undefined : failed(text, options, accept);
  options.counts.bytes += held.bodies;
  const contentType = request.headers["content-type"] ?? "";
  const body = readEvents(text, contentType);
  if (body.fault !== undefined) {
    return refusePost(body.fault === "tooLarge" ? 413 : 400, whyUnreadable(text, body), accept);
  }
  const id = randomUUID();
  const wanted = { output: wantsOutput(request.url ?? ""), accept, contentType };
  const answer = await options.take({ body, id, wanted });
  return withHeader(answer, { name: MESSAGE_ID, value: id });
}

function tooMany({ counts, inProgressMax }: RequestOptions, accept: string): PostAnswer | undefined {
  if (counts.inProgress <= inProgressMax) return undefined;
  return overloaded(`${inProgressMax} requests are in progress: no more at once`, accept);
}

function failed({ failure, detail }: BodyFailure, { bodyBytesMax }: RequestOptions, accept: string): PostAnswer {
  if (failure === "tooLarge") return bodyTooLarge(bodyBytesMax, accept);
  return failure === "overload" ? overloaded(detail, accept) : refusePost(400, detail, accept);
}

function wantsOutput(url: string): boolean {
  const query = url.indexOf("?");
  return query !== -1 && new URLSearchParams(url.slice(query)).get("output") === "1";
}

/** Of a body that nobody wants any more: so much is read past, or its sender would hear a reset in place of the answer. */
const PAST_BYTES_MAX = 16 * 1024 * 1024;

function send(request: IncomingMessage, response: ServerResponse, answer: PostAnswer, isLast: boolean): void {
  const { status, contentType, body, headers } = answer;
  if (isLast) response.shouldKeepAlive = false;
  const length = String(Buffer.byteLength(body));
  const written = ["content-type", contentType, "content-length", length];
  for (const { name, value } of headers) written.push(name, value);
  response.writeHead(status, written);
  response.end(body);
  if (request.complete) return;
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > PAST_BYTES_MAX) request.destroy();
  });
}
