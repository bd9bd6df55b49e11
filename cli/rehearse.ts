/**
 * Envoy's part of one exchange, played for the very server that Envoy would ask: which messages the generated
 * configuration sends, and what Envoy makes of the answers. test/e2e/envoy/rehearse.test.ts holds it against a real one.
 */
import { randomUUID } from "node:crypto";
import { matchRoute, type RequestLine } from "../engine/core/routes/match.ts";
import { bufferBytes, needs } from "../engine/core/routes/needs.ts";
import type { LinkedRoute } from "../engine/core/routes/section.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import {
  type Answer,
  BodyMode,
  type ContinueAnswer,
  HeaderMode,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  Kind,
} from "../extproc/messages/messages.ts";
import { envoyPath } from "./envoy-path.ts";
import type { HttpMessage } from "./http-message.ts";
import { openCall, type RehearsedCall } from "./rehearsed-call.ts";

export type Rehearsal = {
  /** undefined: no route, so nothing was asked; where nothing reached the upstream either, Envoy refuses the path */
  route: LinkedRoute | undefined;
  /** what reached the upstream; undefined: nothing */
  upstream: HttpMessage | undefined;
  /** what the client gets */
  reply: HttpMessage;
  /** the reply ends there: it was refused when its headers had gone */
  isCut: boolean;
  /** what the server answered to the messages of each direction, in order */
  answers: { [direction in Direction]: Answer[] };
};

/** What matching reads of a request. */
export function requestLine({ headers }: HttpMessage): RequestLine {
  const value = (name: string) => headerValue(headers, name);
  return { method: value(":method") ?? "", path: value(":path") ?? "", host: value(":authority") ?? "", header: value };
}

/** The route that a request takes; undefined: none, or its path is refused. */
export function routeOf(runtime: Runtime, request: HttpMessage): LinkedRoute | undefined {
  const message = withPath(request, envoyPath(requestLine(request).path));
  return message === undefined ? undefined : runtime.routes[matchRoute(runtime.routes, requestLine(message))];
}

/** Plays the exchange to its end; `respond` is the upstream. Rejects where the server breaks off the call: our own bug. */
export async function rehearse(
  runtime: Runtime,
  request: HttpMessage,
  respond: (request: HttpMessage) => HttpMessage,
): Promise<Rehearsal> {
  const message = withPath(request, envoyPath(requestLine(request).path));
  const answers: Rehearsal["answers"] = { request: [], response: [] };
  if (message === undefined) return { route: undefined, upstream: undefined, reply: BAD_PATH, isCut: false, answers };
  const route = routeOf(runtime, message);
  if (route === undefined) return { route, upstream: message, reply: respond(message), isCut: false, answers };
  const need = needs(route.plan);
  const filter: Filter = {
    call: openCall(runtime, route.plan, need),
    observes: need.observes,
    heldBytesMax: bufferBytes(need.bodyBytesMax),
  };
  try {
    const arrived = await pass(filter, "request", withRequestId(message));
    answers.request = filter.call.answers.splice(0);
    if (arrived.isReply) return { route, upstream: undefined, reply: arrived.message, isCut: false, answers };
    const upstream = need.plainResponse ? without(arrived.message, CODING_AND_RANGE) : arrived.message;
    const came = await pass(filter, "response", respond(upstream));
    answers.response = filter.call.answers;
    return { route, upstream, reply: came.message, isCut: came.isCut, answers };
  } finally {
    filter.call.close();
  }
}

const CODING_AND_RANGE = ["accept-encoding", "range", "if-range"];

type Direction = "request" | "response";

/** Envoy's ext_proc filter on one exchange. */
type Filter = { call: RehearsedCall; observes: boolean; heldBytesMax: number };

/** A message as it goes on, or as far as it does; or the reply in its place. */
type Passed = { message: HttpMessage; isReply: boolean; isCut: boolean };

function goesOn(message: HttpMessage): Passed {
  return { message, isReply: false, isCut: false };
}

function replies(message: HttpMessage): Passed {
  return { message, isReply: true, isCut: false };
}

const HEADERS = { request: Kind.requestHeaders, response: Kind.responseHeaders } as const;
const BODY = { request: Kind.requestBody, response: Kind.responseBody } as const;

/** One message through the filter. */
async function pass(filter: Filter, direction: Direction, message: HttpMessage): Promise<Passed> {
  const { call } = filter;
  const sends = call.sends[direction];
  const endOfStream = message.body.length === 0;
  const mode = endOfStream ? BodyMode.NONE : sends.body;
  if (sends.headers) call.tell(HEADERS[direction], { headers: [...message.headers], endOfStream });
  if (filter.observes) {
    if (mode !== BodyMode.NONE) call.tell(BODY[direction], { body: message.body, endOfStream: true });
    return goesOn(message);
  }
  // In these modes the length goes before anybody has answered (facts 2.6).
  const streams = mode === BodyMode.STREAMED || mode === BodyMode.FULL_DUPLEX_STREAMED;
  const unframed = streams ? without(message, ["content-length"]) : message;
  if (mode === BodyMode.FULL_DUPLEX_STREAMED) return passDuplex(call, direction, unframed);
  let going = unframed;
  if (sends.headers) {
    const answer = await call.answer();
    if (answer.kind === IMMEDIATE_RESPONSE) return replies(immediateReply(answer));
    override(call, direction, answer);
    going = mutated(going, answer);
  }
  if (endOfStream || sends.body === BodyMode.NONE) return goesOn(going);
  if (sends.body === BodyMode.BUFFERED && message.body.length > filter.heldBytesMax)
    return replies(overflow(direction));
  call.tell(BODY[direction], { body: message.body, endOfStream: true });
  const answer = await call.answer();
  if (answer.kind === IMMEDIATE_RESPONSE) return replies(immediateReply(answer));
  return goesOn(mutated(going, answer));
}

/** Full duplex: the body goes without waiting for an answer, and answers to it are chunks of a body of any length. */
async function passDuplex(call: RehearsedCall, direction: Direction, message: HttpMessage): Promise<Passed> {
  call.tell(BODY[direction], { body: message.body, endOfStream: true });
  let { headers } = message;
  let begun = false;
  const chunks: Uint8Array[] = [];
  for (;;) {
    const answer = await call.answer();
    if (answer.kind === IMMEDIATE_RESPONSE) {
      // Behind headers that have gone there is no place for a reply; a request's client has seen none yet.
      if (!begun || direction === "request") return replies(immediateReply(answer));
      return { message: { headers, body: Buffer.concat(chunks) }, isReply: false, isCut: true };
    }
    if (answer.kind === HEADERS[direction]) {
      begun = true;
      headers = mutated({ headers, body: message.body }, answer).headers;
      continue;
    }
    chunks.push(answer.body ?? new Uint8Array(0));
    if (answer.endOfStream) return goesOn({ headers, body: Buffer.concat(chunks) });
  }
}

// An override in the answer to the request's headers is for both bodies, later only for the response's (facts 10).
function override({ sends }: RehearsedCall, direction: Direction, answer: ContinueAnswer): void {
  const modes = answer.modeOverride;
  if (modes === undefined) return;
  if (direction === "request") {
    sends.request.body = modes.requestBodyMode;
    sends.response.headers = modes.responseHeaderMode === HeaderMode.SEND; // DEFAULT: the filter's own, which is SKIP
  }
  sends.response.body = modes.responseBodyMode;
}

/** Removes, then sets (facts 3.5); what the default mutation_rules refuse is skipped (facts 3.6). */
function mutated(message: HttpMessage, answer: ContinueAnswer): HttpMessage {
  let { headers } = without(
    message,
    answer.removeHeaders.filter((name) => name !== ":path" && name !== "host"),
  );
  for (const { name, value, append } of answer.setHeaders) {
    if (/^(?::method|:scheme|:authority|host|x-envoy-.*)$/.test(name)) continue;
    headers = [...(append ? headers : without({ headers, body: message.body }, [name]).headers), name, value];
  }
  return { headers, body: answer.body ?? message.body };
}

function without({ headers, body }: HttpMessage, names: readonly string[]): HttpMessage {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!names.includes(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return { headers: kept, body };
}

function immediateReply({ status, headers, body }: ImmediateAnswer): HttpMessage {
  const set = headers.flatMap(({ name, value }) => [name, value]);
  return { headers: [":status", String(status), "content-length", String(body.length), ...set], body };
}

// Envoy's own answer to a body that its buffer does not hold (facts 7.4).
function overflow(direction: Direction): HttpMessage {
  const body = Buffer.from(direction === "request" ? "Payload Too Large" : "Internal Server Error");
  const status = direction === "request" ? "413" : "500";
  return { headers: [":status", status, "content-type", "text/plain", "content-length", String(body.length)], body };
}

const BAD_PATH: HttpMessage = { headers: [":status", "400", "content-length", "0"], body: new Uint8Array(0) };

function withPath({ headers, body }: HttpMessage, path: string | undefined): HttpMessage | undefined {
  if (path === undefined) return undefined;
  return { headers: headers.map((text, i) => (i % 2 === 1 && headers[i - 1] === ":path" ? path : text)), body };
}

function withRequestId(request: HttpMessage): HttpMessage {
  return { ...request, headers: [...request.headers, "x-forwarded-proto", "http", "x-request-id", randomUUID()] };
}
