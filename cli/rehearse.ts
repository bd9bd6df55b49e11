/**
 * Envoy's part of one exchange, played for the very server that Envoy would ask: which messages the generated
 * configuration sends, and what Envoy makes of the answers. test/e2e/envoy/rehearse.test.ts holds it against a real one.
 */
import { randomUUID } from "node:crypto";
import { matchRoute, type RequestLine } from "../engine/core/routes/match.ts";
import { bufferBytes, type Needs, needs, ROUTE_MARK, routeMark } from "../engine/core/routes/needs.ts";
import type { LinkedRoute } from "../engine/core/routes/section.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import {
  BodyMode,
  type ContinueAnswer,
  HeaderMode,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  Kind,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "../extproc/messages/messages.ts";
import { acceptExchanges } from "../extproc/server.ts";
import type { CallHandler } from "../extproc/transport.ts";
import { envoyPath } from "./envoy-path.ts";
import type { HttpMessage } from "./http-message.ts";

export type Rehearsal = {
  /** undefined: no route, so nothing was asked; where nothing reached the upstream either, Envoy refuses the path */
  route: LinkedRoute | undefined;
  /** what reached the upstream; undefined: nothing */
  upstream: HttpMessage | undefined;
  /** what the client gets */
  reply: HttpMessage;
  /** what the server answered, in order */
  answers: { kind: PhaseKind; answer: ProcessingResponse }[];
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

/** Plays the exchange to its end; `respond` is the upstream. Rejects where the server breaks off a call: our own bug. */
export async function rehearse(
  runtime: Runtime,
  request: HttpMessage,
  respond: (request: HttpMessage) => HttpMessage,
): Promise<Rehearsal> {
  const message = withPath(request, envoyPath(requestLine(request).path));
  if (message === undefined) return { route: undefined, upstream: undefined, reply: BAD_PATH, answers: [] };
  const route = routeOf(runtime, message);
  if (route === undefined) return { route, upstream: message, reply: respond(message), answers: [] };
  const need = needs(route.plan);
  const caller = openCall(runtime, route, need);
  try {
    const arrived = await play(caller, "request", withRequestId(message));
    if ("reply" in arrived) return { route, upstream: undefined, reply: arrived.reply, answers: caller.answers };
    const upstream = need.plainResponse
      ? without(arrived.message, ["accept-encoding", "range", "if-range"])
      : arrived.message;
    const came = await play(caller, "response", respond(upstream));
    return { route, upstream, reply: "reply" in came ? came.reply : came.message, answers: caller.answers };
  } finally {
    caller.handler.closed();
  }
}

type Direction = "request" | "response";

/** One ext_proc call, from Envoy's side. */
type Caller = {
  handler: CallHandler;
  need: Needs;
  /** which headers and bodies go, by now */
  headers: { [direction in Direction]: boolean };
  modes: { [direction in Direction]: BodyMode };
  isFirst: boolean;
  answers: Rehearsal["answers"];
  /** takes the next answer, or why there will be none */
  settle: { resolve(answer: ProcessingResponse): void; reject(error: Error): void } | undefined;
};

function openCall(runtime: Runtime, route: LinkedRoute, need: Needs): Caller {
  const call = {
    send: (answer: ProcessingResponse) => caller.settle?.resolve(keep(answer)),
    end: () => caller.settle?.reject(new Error("the server ended the call before it had answered")),
    fail: (code: number, message: string) =>
      caller.settle?.reject(new Error(`the server failed the call with gRPC status ${code}: ${message}`)),
    failBug: (error: unknown) => caller.settle?.reject(error instanceof Error ? error : new Error(String(error))),
  };
  const mark = routeMark(route.plan);
  const caller: Caller = {
    handler: acceptExchanges(runtime)(call, (name) => (name === ROUTE_MARK ? mark : undefined)),
    need,
    headers: { request: need.requestHeaders, response: need.responseHeaders },
    modes: { request: bodyMode(need.requestBody), response: bodyMode(need.responseBody) },
    isFirst: true,
    answers: [],
    settle: undefined,
  };
  return caller;
}

function bodyMode(sends: boolean): BodyMode {
  return sends ? BodyMode.BUFFERED : BodyMode.NONE;
}

// The server may use an answer's body again (transport.ts).
function keep(answer: ProcessingResponse): ProcessingResponse {
  return answer.body === undefined ? answer : { ...answer, body: answer.body.slice() };
}

const HEADERS = { request: Kind.requestHeaders, response: Kind.responseHeaders } as const;
const BODY = { request: Kind.requestBody, response: Kind.responseBody } as const;

/** One message through the filter: as it goes on, or the reply in its place. */
async function play(
  caller: Caller,
  direction: Direction,
  message: HttpMessage,
): Promise<{ message: HttpMessage } | { reply: HttpMessage }> {
  const { headers, body } = message;
  const endOfStream = body.length === 0;
  let going = message;
  if (caller.headers[direction]) {
    const answer = await ask(caller, HEADERS[direction], { headers: [...headers], endOfStream });
    if (answer.kind === IMMEDIATE_RESPONSE) return { reply: immediateReply(answer) };
    override(caller, direction, answer);
    going = mutated(going, answer);
  }
  if (endOfStream || caller.modes[direction] !== BodyMode.BUFFERED) return { message: going };
  if (body.length > bufferBytes(caller.need.bodyBytesMax)) return { reply: overflow(direction) };
  const answer = await ask(caller, BODY[direction], { body, endOfStream: true });
  if (answer.kind === IMMEDIATE_RESPONSE) return { reply: immediateReply(answer) };
  return { message: mutated(going, answer) };
}

async function ask(
  caller: Caller,
  kind: PhaseKind,
  content: Partial<ProcessingRequest>,
): Promise<ContinueAnswer | ImmediateAnswer> {
  const protocolConfig = {
    requestBodyMode: caller.modes.request,
    responseBodyMode: caller.modes.response,
    sendBodyWithoutWaitingForHeaderResponse: false,
  };
  const answered = new Promise<ProcessingResponse>((resolve, reject) => {
    caller.settle = { resolve, reject };
  });
  caller.handler.recv({
    kind,
    headers: [],
    body: new Uint8Array(0),
    endOfStream: false,
    observabilityMode: false,
    protocolConfig: caller.isFirst ? protocolConfig : undefined,
    attributes: undefined,
    ...content,
  });
  caller.isFirst = false;
  const answer = await answered;
  caller.answers.push({ kind, answer });
  return answer;
}

// An override in the answer to the request's headers is for both bodies, later only for the response's (facts 10).
function override(caller: Caller, direction: Direction, answer: ContinueAnswer): void {
  const modes = answer.modeOverride;
  if (modes === undefined) return;
  if (direction === "request") {
    caller.modes.request = modes.requestBodyMode;
    caller.headers.response = modes.responseHeaderMode === HeaderMode.SEND; // DEFAULT: the filter's own, which is SKIP
  }
  caller.modes.response = modes.responseBodyMode;
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
