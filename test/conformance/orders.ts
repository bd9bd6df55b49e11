/** Messages that come otherwise than a newcomer expects: what Envoy may send, and what no Envoy sends but others might. */
import { BodyMode, Kind, NO_BYTES, type ProcessingRequest } from "../../extproc/messages/messages.ts";
import { MODES, passes } from "./bodies.ts";
import type { Exchange, Server } from "./client.ts";
import type { Setup } from "./envoy-side.ts";
import { check, cutInto, JSON_TYPE, jsonOf, requestHeaders, responseHeaders, type Scenario, same } from "./scenario.ts";

const BODY = jsonOf(3000);
const CONTENT = { headers: JSON_TYPE, chunks: cutInto(BODY, 1000) };
const both = (mode: BodyMode): Setup => ({ request: mode, response: mode });

export function orderScenarios(path: string): Scenario[] {
  return [...MODES.flatMap(([name, mode]) => perMode(path, name, mode)), ...allowed(path), ...brokenOrders(path)];
}

function perMode(path: string, name: string, mode: BodyMode): Scenario[] {
  const scenarios: Scenario[] = [
    {
      name: `${path} no bodies at all, ${name}`,
      run: async (server) => void (await passes(server, path, both(mode), {})),
    },
    { name: `${path} trailers without a body, ${name}`, run: (server) => onlyTrailers(server, path, mode) },
    { name: `${path} a response without a request, ${name}`, run: (server) => responseOnly(server, mode) },
    { name: `${path} a body without its headers, ${name}`, run: (server) => headless(server, mode) },
    { name: `${path} 1xx before the response, ${name}`, run: (server) => informational(server, path, mode) },
    { name: `${path} content-length kept, ${name}`, run: (server) => keptLength(server, path, mode) },
  ];
  return mode === BodyMode.NONE ? scenarios.filter((scenario) => !scenario.name.includes("a body without")) : scenarios;
}

function allowed(path: string): Scenario[] {
  return [
    { name: `${path} send_body_without_waiting_for_header_response`, run: (server) => withoutWaiting(server, path) },
    { name: `${path} observability mode is not answered, and ends`, run: (server) => observed(server, path) },
    { name: `${path} a response while the request is still coming`, run: (server) => early(server, path) },
    { name: `${path} an empty end of stream behind the end, full duplex`, run: (server) => twoEnds(server, path) },
    { name: `${path} an empty body behind the body, BUFFERED`, run: (server) => emptyBehind(server, path) },
    { name: `${path} an unknown oneof, before and in between`, run: (server) => unknown(server, path) },
  ];
}

async function onlyTrailers(server: Server, path: string, mode: BodyMode) {
  const content = { headers: JSON_TYPE, end: "trailers" } as const;
  await passes(server, path, both(mode), { request: content, response: content });
}

// A local reply where the request's headers are not sent (facts 11.4).
async function responseOnly(server: Server, mode: BodyMode) {
  const exchange = server.open(both(mode));
  await exchange.passMessage("response", { ...CONTENT, headers: responseHeaders(503, ...JSON_TYPE) });
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.response.body, BODY, "the response's body");
}

// The header mode is SKIP (facts 8.6).
async function headless(server: Server, mode: BodyMode) {
  const exchange = server.open(both(mode));
  const chunks = mode === BodyMode.BUFFERED || mode === BodyMode.BUFFERED_PARTIAL ? [BODY] : CONTENT.chunks;
  for (const [i, body] of chunks.entries()) {
    exchange.send(Kind.requestBody, { body, endOfStream: i === chunks.length - 1 });
  }
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.request.body, BODY, "the request's body");
}

async function informational(server: Server, path: string, mode: BodyMode) {
  const exchange = server.open(both(mode));
  await exchange.passMessage("request", { headers: requestHeaders(path) });
  exchange.send(Kind.responseHeaders, { headers: responseHeaders(103, "link", "</a>; rel=preload") });
  await exchange.settled();
  exchange.envoy.response.headersAnswered = false;
  await exchange.passMessage("response", { ...CONTENT, headers: responseHeaders(200, ...JSON_TYPE) });
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.response.body, BODY, "the response's body");
}

// allow_content_length_header: Envoy writes what the server leaves, right or wrong (facts 2.7).
async function keptLength(server: Server, path: string, mode: BodyMode) {
  const content = { ...CONTENT, headers: [...JSON_TYPE, "content-length", String(BODY.length)] };
  await passes(server, path, { ...both(mode), keepsContentLength: true }, { request: content, response: content });
}

async function withoutWaiting(server: Server, path: string) {
  for (const length of [[], ["content-length", String(BODY.length)]]) {
    const content = { ...CONTENT, headers: [...JSON_TYPE, ...length] };
    const setup = { ...both(BodyMode.STREAMED), sendBodyWithoutWaiting: true };
    await passes(server, path, setup, { request: content, response: content });
  }
}

async function observed(server: Server, path: string) {
  const exchange = server.open({ ...both(BodyMode.STREAMED), observes: true });
  await exchange.passMessage("request", { ...CONTENT, headers: requestHeaders(path, ...JSON_TYPE), end: "empty" });
  await exchange.passMessage("response", { ...CONTENT, headers: responseHeaders(200, ...JSON_TYPE), end: "empty" });
  await exchange.finish();
}

async function early(server: Server, path: string) {
  for (const mode of [BodyMode.STREAMED, BodyMode.FULL_DUPLEX_STREAMED]) {
    const exchange = server.open(both(mode));
    const headers = requestHeaders(path, ...JSON_TYPE, "content-length", String(BODY.length));
    exchange.send(Kind.requestHeaders, { headers });
    if (mode === BodyMode.STREAMED) await exchange.settled();
    const [one, two, three] = CONTENT.chunks as [Uint8Array, Uint8Array, Uint8Array];
    const lowered = exchange.envoy.request.mode === BodyMode.NONE;
    const send = (body: Uint8Array, endOfStream: boolean) =>
      lowered ? exchange.envoy.request.pass(body) : exchange.send(Kind.requestBody, { body, endOfStream });
    if (!exchange.envoy.isOver) send(one, false);
    if (!exchange.envoy.isOver) {
      exchange.send(Kind.responseHeaders, { headers: responseHeaders(200, "content-type", "text/plain") });
      send(two, false);
      if (exchange.envoy.response.mode !== BodyMode.NONE)
        exchange.send(Kind.responseBody, { body: BODY, endOfStream: true });
      send(three, true);
    }
    await exchange.finish();
    if (exchange.envoy.reply === undefined) same(exchange.envoy.request.body, BODY, "the request's body");
  }
}

async function twoEnds(server: Server, path: string) {
  const exchange = server.open(both(BodyMode.FULL_DUPLEX_STREAMED));
  exchange.send(Kind.requestHeaders, { headers: requestHeaders(path, ...JSON_TYPE) });
  exchange.send(Kind.requestBody, { body: BODY, endOfStream: true });
  exchange.send(Kind.requestBody, { endOfStream: true });
  await exchange.settled();
  exchange.send(Kind.requestBody, { endOfStream: true });
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.request.body, BODY, "the request's body");
}

async function emptyBehind(server: Server, path: string) {
  const exchange = server.open(both(BodyMode.BUFFERED));
  exchange.send(Kind.requestHeaders, { headers: requestHeaders(path, ...JSON_TYPE) });
  await exchange.settled();
  if (exchange.envoy.request.mode === BodyMode.NONE) return exchange.finish();
  exchange.send(Kind.requestBody, { body: BODY });
  exchange.send(Kind.requestBody, { endOfStream: true });
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.request.body, BODY, "the request's body");
}

async function unknown(server: Server, path: string) {
  const exchange = server.open(both(BodyMode.BUFFERED));
  exchange.send(Kind.none);
  await exchange.passMessage("request", { ...CONTENT, headers: requestHeaders(path, ...JSON_TYPE) });
  exchange.send(Kind.none);
  await exchange.finish();
  if (exchange.envoy.reply === undefined) same(exchange.envoy.request.body, BODY, "the request's body");
}

/** Orders that no proxy should send: the server may answer, fail the call or end it, and the next call goes well. */
function brokenOrders(path: string): Scenario[] {
  const first = requestHeaders(path, ...JSON_TYPE);
  const orders: [string, [Kind, Partial<ProcessingRequest>][]][] = [
    [
      "headers twice",
      [
        [2, { headers: first }],
        [2, { headers: first }],
      ],
    ],
    [
      "trailers first",
      [
        [6, {}],
        [2, { headers: first }],
      ],
    ],
    [
      "a body behind the end",
      [
        [2, { headers: first }],
        [4, { body: BODY, endOfStream: true }],
        [4, { body: BODY }],
      ],
    ],
    [
      "a body behind trailers",
      [
        [2, { headers: first }],
        [6, {}],
        [4, { body: BODY }],
      ],
    ],
    [
      "a body behind bodyless headers",
      [
        [2, { headers: first, endOfStream: true }],
        [4, { body: BODY, endOfStream: true }],
      ],
    ],
    [
      "trailers twice",
      [
        [2, { headers: first }],
        [4, { body: BODY }],
        [6, {}],
        [6, {}],
      ],
    ],
    [
      "the response's body first",
      [
        [5, { body: BODY, endOfStream: true }],
        [3, { headers: ["x", "y"] }],
        [2, { headers: first }],
      ],
    ],
    [
      "nothing but empty bodies",
      [
        [4, { body: NO_BYTES }],
        [5, { body: NO_BYTES }],
        [4, { body: NO_BYTES }],
      ],
    ],
  ];
  return orders.map(([name, messages]) => ({
    name: `${path} ${name}: the call may fail, the server may not`,
    run: async (server) => {
      for (const [, mode] of MODES) await survives(server, path, both(mode), messages);
    },
  }));
}

async function survives(server: Server, path: string, setup: Setup, messages: [Kind, Partial<ProcessingRequest>][]) {
  const exchange: Exchange = server.open(setup);
  exchange.envoy.broken = true;
  for (const [kind, parts] of messages) exchange.send(kind, parts);
  exchange.stream.end();
  await exchange.ended();
  check(exchange.envoy.status !== 13, "the server has a bug: INTERNAL");
  await passes(server, path, { request: BodyMode.BUFFERED }, { request: CONTENT });
}
