/** What only our own server's configuration (agglo.json) can show: bodies rewritten, refused, dropped, mirrored. */
import { gunzipSync, gzipSync } from "node:zlib";
import { BodyMode, Kind } from "../../extproc/messages/messages.ts";
import { DIRECTIONS, labelled } from "./bodies.ts";
import type { Content, Exchange, Server } from "./client.ts";
import type { Setup } from "./envoy-side.ts";
import type { OwnServer } from "./own-server.ts";
import {
  check,
  cutInto,
  JSON_TYPE,
  type OwnScenario,
  requestHeaders,
  responseHeaders,
  same,
  within,
} from "./scenario.ts";

const CARD = Buffer.from('{"card":"4111111111111111","pad":"ü"}');
const COVERED = '{"card":"************1111","pad":"ü"}';
const SECRET = Buffer.from('{"secret":1}');
const HOLDING = [
  ["BUFFERED", BodyMode.BUFFERED],
  ["BUFFERED_PARTIAL", BodyMode.BUFFERED_PARTIAL],
  ["STREAMED", BodyMode.STREAMED],
  ["FULL_DUPLEX_STREAMED", BodyMode.FULL_DUPLEX_STREAMED],
] as const;

/** A body whose length is told, so that it can be held under STREAMED too. */
function told(body: Uint8Array, chunkBytes = 7, ...headers: string[]): Content {
  const length = ["content-length", String(body.length)];
  return { headers: [...JSON_TYPE, ...length, ...headers], chunks: cutInto(body, chunkBytes) };
}

async function ask(
  server: Server,
  path: string,
  setup: Setup,
  direction: "request" | "response",
  content: Content,
): Promise<Exchange> {
  const exchange = server.open(setup);
  const [request, response] = direction === "request" ? [content, undefined] : [undefined, content];
  const requestContent = request ?? { headers: [] };
  await exchange.passMessage("request", {
    ...requestContent,
    headers: requestHeaders(path, ...requestContent.headers),
  });
  if (response !== undefined) {
    await exchange.passMessage("response", { ...response, headers: responseHeaders(200, ...response.headers) });
  }
  await exchange.finish();
  return exchange;
}

export function ruleScenarios(): OwnScenario[] {
  const scenarios: OwnScenario[] = [];
  for (const [name, mode] of HOLDING) {
    for (const direction of DIRECTIONS) {
      for (const path of ["/cover", "/wait"]) {
        const title = `${path} rewrites the ${direction}, ${name}`;
        scenarios.push({ name: title, run: (server) => rewrites(server, path, mode, direction) });
      }
      scenarios.push({ name: `refuses the ${direction}, ${name}`, run: (server) => refuses(server, mode, direction) });
      scenarios.push({
        name: `undoes gzip of the ${direction}, ${name}`,
        run: (server) => coded(server, mode, direction),
      });
    }
    scenarios.push({ name: `mirrors, ${name}`, run: (server, own) => mirrors(server, own, { request: mode }) });
    scenarios.push({ name: `a step that never ends, ${name}`, run: (server) => hangs(server, mode) });
    scenarios.push({ name: `more bytes than content-length says, ${name}`, run: (server) => overruns(server, mode) });
    scenarios.push({ name: `fewer bytes than content-length says, ${name}`, run: (server) => underruns(server, mode) });
    scenarios.push({ name: `guarded gRPC passes, ${name}`, run: (server) => grpc(server, mode) });
  }
  const observes: Setup = { request: BodyMode.STREAMED, response: BodyMode.STREAMED, observes: true };
  return [
    ...scenarios,
    { name: "mirrors in observability mode", run: (server, own) => mirrors(server, own, observes) },
    { name: "a rule on bodyless requests refuses", run: bodyless },
    { name: "a body that cannot be held is not let by", run: notHeld },
    { name: "a body that is not shown is not let by", run: notShown },
    { name: "gRPC in both directions at once is not held up", run: bidirectional },
  ];
}

async function rewrites(server: Server, path: string, mode: BodyMode, direction: "request" | "response") {
  for (const chunkBytes of mode === BodyMode.BUFFERED_PARTIAL ? [100] : [100, 7, 1]) {
    for (const keepsContentLength of [false, true]) {
      const content = told(CARD, chunkBytes, "etag", '"1"', "content-md5", "x");
      const exchange = await ask(server, path, { [direction]: mode, keepsContentLength }, direction, content);
      const message = exchange.envoy[direction];
      same(message.body.toString(), COVERED, "the body");
      check(message.header("etag") === undefined, "an etag of another body");
      check(message.header("content-md5") === undefined, "a digest of another body");
    }
  }
}

async function refuses(server: Server, mode: BodyMode, direction: "request" | "response") {
  const { envoy } = await ask(server, "/keep", { [direction]: mode }, direction, told(SECRET));
  check(envoy.reply !== undefined && envoy.reply.status >= 400, "it is not refused");
  same(envoy[direction].body.length, 0, "bytes that went on");
}

async function coded(server: Server, mode: BodyMode, direction: "request" | "response") {
  const content = told(gzipSync(CARD), 100, "content-encoding", "gzip");
  const { envoy } = await ask(server, "/cover", { [direction]: mode }, direction, content);
  same(gunzipSync(envoy[direction].body).toString(), COVERED, "the body");
  same(envoy[direction].header("content-encoding"), "gzip", "the coding");
}

let mirrorings = 0;

async function mirrors(server: Server, own: OwnServer, setup: Setup) {
  const event = Buffer.from(`{"mirrored":${++mirrorings}}`);
  const mirrored = own.mirrored(event.toString());
  const { envoy } = await ask(server, "/mirror", setup, "request", { ...told(event, 100), end: "empty" });
  if (setup.observes !== true) same(envoy.request.body, event, "the body");
  await within(mirrored, "the copy");
}

async function hangs(server: Server, mode: BodyMode) {
  for (const type of ["application/json", "application/x-ndjson"]) {
    const content = { ...told(CARD, 100), headers: ["content-type", type, "content-length", String(CARD.length)] };
    await labelled(type, async () => {
      const refused = await ask(server, "/hang", { request: mode }, "request", content);
      same(refused.envoy.reply?.status, 504, "the status");
      const passed = await ask(server, "/hang-passes", { request: mode }, "request", content);
      same(passed.envoy.request.body, CARD, "the body that passes");
    });
  }
}

// No proxy would let such a request by; a rule must not depend on it.
async function overruns(server: Server, mode: BodyMode) {
  const exchange = server.open({ request: mode });
  exchange.envoy.broken = true;
  exchange.send(Kind.requestHeaders, { headers: requestHeaders("/keep", ...JSON_TYPE, "content-length", "2") });
  exchange.send(Kind.requestBody, { body: Buffer.from("{}") });
  exchange.send(Kind.requestBody, { body: SECRET, endOfStream: true });
  exchange.stream.end();
  await exchange.ended();
  check(exchange.envoy.status !== 0 || exchange.envoy.reply !== undefined, "the call went well");
  check(!exchange.envoy.request.body.includes("secret"), "a body that no rule has seen went on");
}

async function underruns(server: Server, mode: BodyMode) {
  const exchange = server.open({ request: mode });
  exchange.envoy.broken = true;
  exchange.send(Kind.requestHeaders, { headers: requestHeaders("/keep", ...JSON_TYPE, "content-length", "100") });
  exchange.send(Kind.requestBody, { body: Buffer.from("{}") });
  exchange.send(Kind.requestTrailers, { headers: ["x", "y"] });
  exchange.stream.end();
  await exchange.ended();
  const { status, reply, request } = exchange.envoy;
  check(status !== 0 || reply !== undefined || request.body.toString() === "{}", "a body was lost");
}

const GRPC_MESSAGE = Buffer.from([0, 0, 0, 0, 3, 8, 150, 1]);

async function grpc(server: Server, mode: BodyMode) {
  const headers = ["content-type", "application/grpc", "content-length", String(GRPC_MESSAGE.length)];
  const content = { headers, chunks: cutInto(GRPC_MESSAGE, 100) };
  const { envoy } = await ask(server, "/keep", { request: mode }, "request", content);
  same(envoy.request.body, GRPC_MESSAGE, "the body");
  const posing = { headers: ["content-type", "application/grpc", "content-length", "12"], chunks: [SECRET] };
  const refused = await ask(server, "/keep", { request: mode }, "request", posing);
  same(refused.envoy.reply?.status, 415, "JSON that says it is gRPC");
}

async function bidirectional(server: Server) {
  const exchange = server.open({ request: BodyMode.FULL_DUPLEX_STREAMED, response: BodyMode.FULL_DUPLEX_STREAMED });
  const { request, response } = exchange.envoy;
  const type = ["content-type", "application/grpc"];
  exchange.send(Kind.requestHeaders, { headers: requestHeaders("/keep", ...type) });
  exchange.send(Kind.requestBody, { body: GRPC_MESSAGE });
  await exchange.until(() => request.body.length === GRPC_MESSAGE.length, "the first message to the upstream");
  exchange.send(Kind.responseHeaders, { headers: responseHeaders(200, ...type) });
  exchange.send(Kind.responseBody, { body: GRPC_MESSAGE });
  await exchange.until(() => response.body.length === GRPC_MESSAGE.length, "the first message to the client");
  exchange.send(Kind.requestBody, { body: GRPC_MESSAGE, endOfStream: true });
  exchange.send(Kind.responseTrailers, { headers: ["grpc-status", "0"] });
  await exchange.finish();
  same(request.body.length, 2 * GRPC_MESSAGE.length, "the request's bytes");
}

async function bodyless(server: Server) {
  for (const [, mode] of HOLDING) {
    const { envoy } = await ask(server, "/bodyless", { request: mode }, "request", { headers: [] });
    check(envoy.reply !== undefined, "it is not refused");
  }
}

async function notHeld(server: Server) {
  const content = { headers: JSON_TYPE, chunks: cutInto(SECRET, 7) };
  const { envoy } = await ask(server, "/keep", { request: BodyMode.STREAMED }, "request", content);
  same(envoy.reply?.status, 500, "the status");
}

async function notShown(server: Server) {
  for (const mode of [BodyMode.NONE, BodyMode.GRPC]) {
    const { envoy } = await ask(server, "/keep", { request: mode }, "request", told(SECRET));
    same(envoy.reply?.status, 500, "the status");
  }
}
