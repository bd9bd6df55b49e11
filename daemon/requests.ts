/** A request from its headers to its answer. What its body is taken for is another's (stateless.ts, durable.ts). */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { MemoryBudget } from "../engine/runtime/memory-budget.ts";
import { overloaded, type PostAnswer, refusePost } from "../engine/runtime/post-answer.ts";
import type { Post } from "../engine/runtime/posts.ts";
import { type BodyFailure, giveBack, type Held, readContent } from "./body.ts";
import { CLIENT_GONE, type Counts, countRequest } from "./counts.ts";
import type { OnRequest } from "./door.ts";
import { atGate, bodyTooLarge, type GateOptions } from "./gate.ts";

/** `id`: what the events go by; "" where there are none. */
export type Taken = { answer: PostAnswer; id: string };

/** Answers when it is done with the events, whatever that means; at once where nothing was waited for. */
export type Take = (post: Post) => Taken | Promise<Taken>;

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

/** A request that is not answered yet. */
type Exchange = {
  request: IncomingMessage;
  response: ServerResponse;
  options: RequestOptions;
  outbox: Outgoing[];
  held: Held;
};

// Functions that call each other where `await` would stand: a promise for each of them is a tenth of a request.
export function newRequests(options: RequestOptions): OnRequest {
  const outbox: Outgoing[] = [];
  return (request, response, awaitsContinue) => {
    const exchange: Exchange = { request, response, options, outbox, held: { bodies: 0, decoded: 0 } };
    options.counts.inProgress++;
    const early = earlyAnswer(exchange);
    if (early !== undefined) {
      if (awaitsContinue) response.shouldKeepAlive = false; // nobody can know whether the body comes nevertheless
      finish(exchange, early);
      return;
    }
    if (awaitsContinue) response.writeContinue();
    readContent(request, options.bodyBytesMax, options.budget, exchange.held, (content) => take(exchange, content));
  };
}

/** What can be answered before the body comes. */
function earlyAnswer(exchange: Exchange): PostAnswer | undefined {
  const { request, options } = exchange;
  try {
    return atGate(request, options) ?? tooMany(options, acceptOf(request));
  } catch (error) {
    return bug(exchange, error);
  }
}

function bug({ request, options }: Exchange, error: unknown): PostAnswer {
  options.onBug(error);
  return refusePost(500, "a bug of ours; the log has it", acceptOf(request));
}

function acceptOf(request: IncomingMessage): string {
  return request.headers.accept ?? "";
}

function take(exchange: Exchange, content: Uint8Array | BodyFailure): void {
  const { request, options, held } = exchange;
  if (!(content instanceof Uint8Array)) {
    const isGone = content.failure === "gone";
    finish(exchange, isGone ? undefined : failed(content, options, acceptOf(request)));
    return;
  }
  options.counts.bytes += held.bodies;
  let taken: Taken | Promise<Taken>;
  try {
    taken = options.take(postOf(request, content));
  } catch (error) {
    finish(exchange, bug(exchange, error));
    return;
  }
  if (!(taken instanceof Promise)) finish(exchange, taken.answer, taken.id);
  else
    taken.then(
      ({ answer, id }) => finish(exchange, answer, id),
      (error: unknown) => finish(exchange, bug(exchange, error)),
    );
}

function postOf(request: IncomingMessage, content: Uint8Array): Post {
  return {
    content,
    contentType: request.headers["content-type"] ?? "",
    accept: acceptOf(request),
    output: wantsOutput(request.url ?? ""),
    id: randomUUID(),
  };
}

/** `answer` undefined: there is nobody to answer. */
function finish(exchange: Exchange, answer: PostAnswer | undefined, id = ""): void {
  const { counts, budget } = exchange.options;
  counts.inProgress--;
  giveBack(budget, exchange.held);
  countRequest(counts, answer === undefined ? CLIENT_GONE : answer.status);
  if (answer !== undefined) sendSoon({ exchange, answer, id });
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

type Outgoing = { exchange: Exchange; answer: PostAnswer; id: string };

/**
 * When all that was read in this turn has been dealt with, all of its answers are written: a client that waits is then
 * woken once and not by each of them, which costs more than an event does (bench/README.md).
 */
function sendSoon(outgoing: Outgoing): void {
  const { outbox } = outgoing.exchange;
  if (outbox.push(outgoing) > 1) return;
  setImmediate(() => {
    for (const outgoing of outbox.splice(0)) {
      const { exchange } = outgoing;
      try {
        send(outgoing);
      } catch (error) {
        exchange.options.onBug(error);
        exchange.response.destroy();
      }
    }
  });
}

function send({ exchange: { request, response, options }, answer, id }: Outgoing): void {
  const { status, contentType, body, headers } = answer;
  if (options.isLeaving()) response.shouldKeepAlive = false;
  const written = ["content-type", contentType, "content-length", String(Buffer.byteLength(body))];
  if (id !== "") written.push(MESSAGE_ID, id);
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
