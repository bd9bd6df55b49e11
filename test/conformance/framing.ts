/** The same call in other frames, and cut off at every point: no call disturbs the next one. */
import { BodyMode, Kind } from "../../extproc/messages/messages.ts";
import { labelled, passes } from "./bodies.ts";
import type { Exchange, Server } from "./client.ts";
import type { Setup } from "./envoy-side.ts";
import { JSON_TYPE, jsonOf, requestHeaders, responseHeaders, type Scenario, same } from "./scenario.ts";

const DUPLEX: Setup = { request: BodyMode.FULL_DUPLEX_STREAMED, response: BodyMode.FULL_DUPLEX_STREAMED };
const BODY = jsonOf(3000);

export function framingScenarios(path: string): Scenario[] {
  const scenarios: Scenario[] = [
    { name: `${path} all messages in one DATA frame`, run: (server) => framed(server, path, 1 << 20) },
    { name: `${path} a DATA frame for every byte`, run: (server) => framed(server, path, 1) },
    { name: `${path} DATA frames that end inside the envelope`, run: (server) => framed(server, path, 3) },
    { name: `${path} DATA frames across messages`, run: (server) => framed(server, path, 700) },
    { name: `${path} a hundred calls at once on one connection`, run: (server) => crowd(server, path) },
  ];
  for (const [name, setup] of SETUPS) {
    for (const how of ["reset", "half-close"] as const) {
      scenarios.push({
        name: `${path} ${how} at every point, ${name}`,
        run: (server) => cutOff(server, path, setup, how),
      });
    }
  }
  return scenarios;
}

const SETUPS: readonly [string, Setup][] = [
  ["BUFFERED", { request: BodyMode.BUFFERED, response: BodyMode.BUFFERED }],
  ["STREAMED", { request: BodyMode.STREAMED, response: BodyMode.STREAMED }],
  ["FULL_DUPLEX_STREAMED", DUPLEX],
  ["observability", { ...DUPLEX, observes: true }],
];

/** The messages of a whole exchange, ready to be written. Under full duplex Envoy need not wait between them. */
function script(exchange: Exchange, path: string): Buffer[] {
  const { request, response } = exchange.envoy;
  const pieces = (mode: BodyMode) =>
    mode === BodyMode.BUFFERED ? [BODY] : [BODY.subarray(0, 999), BODY.subarray(999)];
  const messages = [exchange.message(Kind.requestHeaders, { headers: requestHeaders(path, ...JSON_TYPE) })];
  for (const body of pieces(request.configured)) messages.push(exchange.message(Kind.requestBody, { body }));
  messages.push(exchange.message(Kind.requestTrailers, { headers: ["x-checksum", "1"] }));
  messages.push(exchange.message(Kind.responseHeaders, { headers: responseHeaders(200, ...JSON_TYPE) }));
  for (const body of pieces(response.configured)) messages.push(exchange.message(Kind.responseBody, { body }));
  messages.push(exchange.message(Kind.responseTrailers, { headers: ["grpc-status", "0"] }));
  return messages;
}

async function framed(server: Server, path: string, frameBytes: number) {
  const exchange = server.open(DUPLEX);
  exchange.write(Buffer.concat(script(exchange, path)), frameBytes);
  await exchange.finish();
  if (exchange.envoy.reply !== undefined) return;
  same(exchange.envoy.request.body, BODY, "the request's body");
  same(exchange.envoy.response.body, BODY, "the response's body");
}

async function crowd(server: Server, path: string) {
  const content = { headers: JSON_TYPE, chunks: [BODY.subarray(0, 10), BODY.subarray(10)] };
  const calls = Array.from({ length: 100 }, () =>
    passes(server, path, DUPLEX, { request: content, response: content }),
  );
  await Promise.all(calls);
}

/** Every beginning of an exchange, and then nothing more. Whatever the server says to that, the next call goes well. */
async function cutOff(server: Server, path: string, setup: Setup, how: "reset" | "half-close") {
  for (let count = 0, length = 1; count <= length; count++) {
    const exchange = server.open(setup);
    exchange.envoy.broken = true;
    const messages = script(exchange, path);
    length = messages.length;
    for (const message of messages.slice(0, count)) exchange.write(message);
    if (how === "half-close") exchange.stream.end();
    else exchange.reset();
    await labelled(`after ${count} messages`, () => exchange.ended());
  }
  const content = { headers: JSON_TYPE, chunks: [BODY] };
  await passes(server, path, { request: BodyMode.BUFFERED }, { request: content });
}
