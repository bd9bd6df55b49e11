/** Events that are treated while they stream (agglo.json, /cover, /pass, /wait), under FULL_DUPLEX_STREAMED. */
import { BodyMode, Kind } from "../../extproc/messages/messages.ts";
import { labelled } from "./bodies.ts";
import type { Content, Server } from "./client.ts";
import { check, cutInto, type OwnScenario, requestHeaders, same } from "./scenario.ts";

const NDJSON = ["content-type", "application/x-ndjson"];
const SSE = ["content-type", "text/event-stream"];
const DUPLEX = { request: BodyMode.FULL_DUPLEX_STREAMED };

type Case = { name: string; path: string; headers: string[]; body: Buffer; wanted: Buffer };

const text = (name: string, path: string, headers: string[], body: string, wanted: string): Case => ({
  ...{ name, path, headers },
  ...{ body: Buffer.from(body, "latin1"), wanted: Buffer.from(wanted, "latin1") },
});
const utf8 = (string: string) => Buffer.from(string, "utf8").toString("latin1");
const card = (more = "") => `{"card":"4111111111111111"${more}}`;
const covered = (more = "") => `{"card":"************1111"${more}}`;
const large = JSON.stringify({ pad: "x".repeat(1100), card: "4111111111111111" });

const CASES: readonly Case[] = [
  text(
    "NDJSON with CR LF, blank lines and characters of every length",
    ...(["/cover", NDJSON] as const),
    utf8(`${card(',"a":"ä€𝄞"')}\r\n\n${card()}\n \r\n${card()}`),
    utf8(`${covered(',"a":"ä€𝄞"')}\r\n\n${covered()}\n \r\n${covered()}`),
  ),
  text(
    "NDJSON whose second line is dropped",
    ...(["/cover", NDJSON] as const),
    `${card()}\n{"secret":1}\n${card()}\n`,
    `${covered()}\n${covered()}\n`,
  ),
  text(
    "server-sent events with every line end, comments and a mark at the end",
    ...(["/cover", SSE] as const),
    utf8(`\ufeff: hello\n\nid: 1\r\ndata: ${card()}\r\n\r\ndata:${card()}\r\rdata: {"secret":1}\n\ndata: [DONE]\n\n`),
    utf8(`\ufeff: hello\n\nid: 1\r\ndata: ${covered()}\r\n\r\ndata:${covered()}\r\rdata: [DONE]\n\n`),
  ),
  text(
    "a server-sent event of several lines that nothing ends",
    ...(["/cover", SSE] as const),
    `data: {"card":\ndata: "4111111111111111"}`,
    `data: {"card":"************1111"}\n`,
  ),
  text(
    "a line that is no JSON passes, those around it are treated",
    ...(["/pass", NDJSON] as const),
    `${card()}\nnone\n${card()}\n`,
    `${covered()}\nnone\n${covered()}\n`,
  ),
  text(
    "a line that is no UTF-8 passes, those around it are treated",
    ...(["/pass", NDJSON] as const),
    `${card()}\n{"a":"\xff"}\n${card()}\n`,
    `${covered()}\n{"a":"\xff"}\n${covered()}\n`,
  ),
  text(
    "an event that is no UTF-8 passes, those around it are treated",
    ...(["/pass", SSE] as const),
    `data: ${card()}\n\nid: 1\ndata: {"a":"\xff"}\ndata: more\n\ndata: ${card()}\n\n`,
    `data: ${covered()}\n\nid: 1\ndata: {"a":"\xff"}\ndata: more\n\ndata: ${covered()}\n\n`,
  ),
  text(
    "a character that the end cuts off",
    ...(["/pass", NDJSON] as const),
    `${card()}\n{"a":"\xe2\x82`,
    `${covered()}\n{"a":"\xe2\x82`,
  ),
  text(
    "a line that is too large passes, those around it are treated",
    ...(["/pass", NDJSON] as const),
    `${card()}\n${large}\n${card()}\n`,
    `${covered()}\n${large}\n${covered()}\n`,
  ),
];

export function eventStreamScenarios(): OwnScenario[] {
  return [
    ...CASES.map((each) => ({
      name: `${each.name}, cut anywhere`,
      run: (server: Server) => cutAnywhere(server, each),
    })),
    { name: "the first event goes on before the last is in", run: firstOut },
    { name: "events whose rules take time stay in order", run: slowly },
    { name: "a stream that outgrows every limit passes event by event", run: endless },
  ];
}

async function stream(server: Server, path: string, content: Content) {
  const exchange = server.open(DUPLEX);
  await exchange.passMessage("request", { ...content, headers: requestHeaders(path, ...content.headers) });
  await exchange.finish();
  return exchange.envoy;
}

async function cutAnywhere(server: Server, { path, headers, body, wanted }: Case) {
  const cuts: { label: string; chunks: Uint8Array[] }[] = [
    { label: "one chunk", chunks: [body] },
    { label: "a chunk per byte", chunks: cutInto(body, 1) },
  ];
  for (let at = 1; at < body.length; at += body.length > 500 ? 17 : 1) {
    cuts.push({ label: `cut at ${at}`, chunks: [body.subarray(0, at), body.subarray(at)] });
  }
  for (const { label, chunks } of cuts) {
    for (const end of ["last", "trailers"] as const) {
      await labelled(`${label}, ${end}`, async () => {
        const envoy = await stream(server, path, { headers, chunks, end });
        same(envoy.request.body, wanted, "the body");
      });
    }
  }
}

async function firstOut(server: Server) {
  for (const [path, type, event] of [
    ["/cover", NDJSON, `${card()}\n`],
    ["/wait", NDJSON, `${card()}\n`],
    ["/cover", SSE, `data: ${card()}\n\n`],
  ] as const) {
    const exchange = server.open(DUPLEX);
    const { request } = exchange.envoy;
    exchange.send(Kind.requestHeaders, { headers: requestHeaders(path, ...type) });
    for (let count = 1; count <= 3; count++) {
      exchange.send(Kind.requestBody, { body: Buffer.from(event) });
      await exchange.until(() => request.body.length === count * event.length, `event ${count} of ${path}`);
    }
    exchange.send(Kind.requestBody, { endOfStream: true });
    await exchange.finish();
    same(request.body.toString(), event.replace(card(), covered()).repeat(3), "the body");
  }
}

async function slowly(server: Server) {
  const lines = Array.from({ length: 30 }, (_, i) => `${card(`,"i":${i}`)}\n`);
  const body = Buffer.from(lines.join(""));
  const wanted = body.toString().replaceAll("4111111111111111", "************1111");
  for (const chunkBytes of [body.length, 50, 7]) {
    const envoy = await stream(server, "/wait", {
      headers: NDJSON,
      chunks: cutInto(body, chunkBytes),
      end: "trailers",
    });
    same(envoy.request.body.toString(), wanted, `the body in chunks of ${chunkBytes}`);
  }
}

// The route holds 1,000 bytes of an event, and Envoy would hold twice that and 64 KiB of a body.
async function endless(server: Server) {
  const line = `${card()}\n`;
  for (const chunks of [[Buffer.from(line.repeat(20_000))], cutInto(Buffer.from(line.repeat(20_000)), 50_000)]) {
    const envoy = await stream(server, "/pass", { headers: NDJSON, chunks });
    check(envoy.reply === undefined, "it was refused");
    same(envoy.request.body.toString(), `${covered()}\n`.repeat(20_000), "the body");
  }
}
