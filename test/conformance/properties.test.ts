/** Any cut of any body, and any order of the two directions: the same goes on as with one chunk. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BodyMode, Kind } from "../../extproc/messages/messages.ts";
import { connect, type Exchange, type Server } from "./client.ts";
import { type OwnServer, startOwnServer } from "./own-server.ts";
import { requestHeaders, responseHeaders } from "./scenario.ts";

let own: OwnServer;
let server: Server;
beforeAll(async () => {
  own = await startOwnServer("native");
  server = await connect(own.address);
});
afterAll(async () => {
  server.close();
  await own.stop();
  expect(own.bugs).toEqual([]);
});

type Sent = { type: string; body: Buffer; chunks: Uint8Array[]; end: "last" | "empty" | "trailers" };

const event = fc.record(
  { card: fc.string({ unit: "grapheme", maxLength: 20 }), pad: fc.string({ unit: "binary", maxLength: 30 }) },
  { requiredKeys: [] },
);
const lines = fc.array(fc.oneof(event, fc.constant({ secret: 1 })), { minLength: 1, maxLength: 5 });
const typed = fc.oneof(
  event.map((value) => ({ type: "application/json", text: JSON.stringify(value) })),
  lines.map((values) => ({
    type: "application/x-ndjson",
    text: values.map((value) => `${JSON.stringify(value)}\n`).join(""),
  })),
  lines.map((values) => ({
    type: "text/event-stream",
    text: values.map((value) => `id: 1\r\ndata: ${JSON.stringify(value)}\r\n\r\n`).join(""),
  })),
);
const sent: fc.Arbitrary<Sent> = typed.chain(({ type, text }) => {
  const body = Buffer.from(text);
  const end = fc.constantFrom("last", "empty", "trailers" as const);
  return fc.tuple(fc.array(fc.nat(body.length), { maxLength: 8 }), end).map(([cuts, how]) => {
    const at = [0, ...cuts.sort((a, b) => a - b), body.length];
    return { type, body, chunks: at.slice(1).map((to, i) => body.subarray(at[i], to)), end: how } as Sent;
  });
});

const types = (of: Sent) => ["content-type", of.type];

/** What the other side has in the end, or the status of a refusal. */
function outcome(exchange: Exchange, direction: "request" | "response"): string {
  const { reply } = exchange.envoy;
  return reply === undefined ? exchange.envoy[direction].body.toString() : `refused ${reply.status}`;
}

async function one(mode: BodyMode, of: Sent, chunks: readonly Uint8Array[], end: Sent["end"]): Promise<string> {
  const exchange = server.open({ request: mode });
  const headers = requestHeaders("/cover", ...types(of), "content-length", String(of.body.length));
  await exchange.passMessage("request", { headers, chunks, end });
  await exchange.finish();
  return outcome(exchange, "request");
}

test.each([
  ["FULL_DUPLEX_STREAMED", BodyMode.FULL_DUPLEX_STREAMED],
  ["STREAMED", BodyMode.STREAMED],
])("%s: any cut, any end", async (_name, mode) => {
  await fc.assert(
    fc.asyncProperty(sent, async (of) => {
      expect(await one(mode, of, of.chunks, of.end)).toBe(await one(mode, of, [of.body], "last"));
    }),
    { numRuns: 150 },
  );
});

/** The messages of one direction under full duplex, in their order. */
function steps(exchange: Exchange, name: "request" | "response", of: Sent): (() => void)[] {
  const isRequest = name === "request";
  const kind = isRequest ? Kind.requestBody : Kind.responseBody;
  const headers = isRequest ? requestHeaders("/cover", ...types(of)) : responseHeaders(200, ...types(of));
  const all = [() => exchange.send(isRequest ? Kind.requestHeaders : Kind.responseHeaders, { headers })];
  for (const [i, body] of of.chunks.entries()) {
    const endOfStream = of.end === "last" && i === of.chunks.length - 1;
    all.push(() => exchange.send(kind, { body, endOfStream }));
  }
  if (of.end === "empty") all.push(() => exchange.send(kind, { endOfStream: true }));
  if (of.end === "trailers") all.push(() => exchange.send(isRequest ? Kind.requestTrailers : Kind.responseTrailers));
  return all;
}

test("FULL_DUPLEX_STREAMED: any order of the two directions", async () => {
  const duplex = { request: BodyMode.FULL_DUPLEX_STREAMED, response: BodyMode.FULL_DUPLEX_STREAMED };
  await fc.assert(
    fc.asyncProperty(sent, sent, fc.array(fc.boolean(), { maxLength: 30 }), async (request, response, turns) => {
      const exchange = server.open(duplex);
      const queues = [steps(exchange, "request", request), steps(exchange, "response", response)];
      queues[0]?.shift()?.(); // the route is known by the request's headers
      for (const turn of turns) queues[turn ? 1 : 0]?.shift()?.();
      for (const step of queues.flat()) step();
      await exchange.finish();
      for (const [name, of] of [
        ["request", request],
        ["response", response],
      ] as const) {
        const alone = await one(BodyMode.FULL_DUPLEX_STREAMED, of, [of.body], "last");
        expect(outcome(exchange, name)).toBe(alone);
      }
    }),
    { numRuns: 100 },
  );
});
