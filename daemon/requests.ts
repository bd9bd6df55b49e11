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
import { atGate, bodyTooLarge, type GateOptions, overloaded } from "./gate.ts";

/** The events of one request. */
export type Delivery = {
  body: Body;
  /** the request's: `messageIdOf` makes the events' of it */
  id: string;
  wanted: Wanted & { contentType: string };
};

/** Answers when it is done with the events, whatever that means; at once where nothing was waited for. Never rejects. */
export type Take = (delivery: Delivery) => PostAnswer | Promise<PostAnswer>;

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

/** A request that is not answered yet. */
type Exchange = {
  request: IncomingMessage;
  response: ServerResponse;
  options: RequestOptions;
  outbox: Outgoing[];
  held: Held;
  /** its message id; "" before it has events */
  id: string;
};

// Functions that call each other where `await` would stand: a promise for each of them is a tenth of a request.
export function newRequests(options: RequestOptions): OnRequest {
  const outbox: Outgoing[] = [];
  return (request, response, awaitsContinue) => {
    const exchange: Exchange = { request, response, options, outbox, held: { bodies: 0, decoded: 0 }, id: "" };
    options.counts.inProgress++;
    const early = attempt(exchange, earlyAnswer);
    if (early !== undefined) {
      if (awaitsContinue) response.shouldKeepAlive = false; // nobody can know whether the body comes nevertheless
      finish(exchange, early);
      return;
    }
    if (awaitsContinue) response.writeContinue();
    readText(request, options.bodyBytesMax, options.budget, exchange.held, (text) => takeText(exchange, text));
  };
}

/** What `step` answers; where it throws, the answer to a bug. */
function attempt<Answer>(
  exchange: Exchange,
  step: (exchange: Exchange, text: string) => Answer,
  text = "",
): Answer | PostAnswer {
  try {
    return step(exchange, text);
  } catch (error) {
    return bug(exchange, error);
  }
}

function bug({ request, options }: Exchange, error: unknown): PostAnswer {
  options.onBug(error);
  return refusePost(500, "a bug of ours; the log has it", acceptOf(request));
}

/** What can be answered before the body comes. */
function earlyAnswer({ request, options }: Exchange): PostAnswer | undefined {
  return atGate(request, options) ?? tooMany(options, acceptOf(request));
}

function acceptOf(request: IncomingMessage): string {
  return request.headers.accept ?? "";
}

function takeText(exchange: Exchange, text: string | BodyFailure): void {
  if (typeof text !== "string") {
    const isGone = text.failure === "gone";
    finish(exchange, isGone ? undefined : failed(text, exchange.options, acceptOf(exchange.request)));
    return;
  }
  const answer = attempt(exchange, takeEvents, text);
  if (!(answer instanceof Promise)) finish(exchange, answer);
  else
    answer.then(
      (settled) => finish(exchange, settled),
      (error: unknown) => finish(exchange, bug(exchange, error)),
    );
}

function takeEvents(exchange: Exchange, text: string): PostAnswer | Promise<PostAnswer> {
  const { request, options, held } = exchange;
  options.counts.bytes += held.bodies;
  const contentType = request.headers["content-type"] ?? "";
  const accept = acceptOf(request);
  const body = readEvents(text, contentType);
  if (body.fault !== undefined) {
    return refusePost(body.fault === "tooLarge" ? 413 : 400, whyUnreadable(text, body), accept);
  }
  exchange.id = randomUUID();
  const wanted = { output: wantsOutput(request.url ?? ""), accept, contentType };
  return options.take({ body, id: exchange.id, wanted });
}

/** `answer` undefined: there is nobody to answer. */
function finish(exchange: Exchange, answer: PostAnswer | undefined): void {
  const { counts, budget } = exchange.options;
  counts.inProgress--;
  giveBack(budget, exchange.held);
  countRequest(counts, answer === undefined ? CLIENT_GONE : answer.status);
  if (answer !== undefined) sendSoon({ exchange, answer });
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

type Outgoing = { exchange: Exchange; answer: PostAnswer };

/**
 * When all that was read in this turn has been dealt with, all of its answers are written: a client that waits is then
 * woken once and not by each of them, which costs more than an event does (bench/README.md).
 */
function sendSoon(outgoing: Outgoing): void {
  const { outbox } = outgoing.exchange;
  if (outbox.push(outgoing) > 1) return;
  setImmediate(() => {
    for (const { exchange, answer } of outbox.splice(0)) {
      try {
        send(exchange, answer);
      } catch (error) {
        exchange.options.onBug(error);
        exchange.response.destroy();
      }
    }
  });
}

function send({ request, response, options, id }: Exchange, answer: PostAnswer): void {
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
