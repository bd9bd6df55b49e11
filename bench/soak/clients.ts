/** Clients that the load generator cannot play: streams, slow ones, and those that leave in the middle. */
import { once } from "node:events";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { marked, orderText, redactedText } from "../rig/bodies.ts";
import { cut, EVENTS_MASKED, LINES_MASKED, linePieces } from "./streams.ts";
import { LINES } from "./traffic.ts";

export type Client = {
  name: string;
  /** between the starts of two */
  everyMs: number;
  /** undefined: all was as it must be; otherwise what was not */
  run(address: string): Promise<string | undefined>;
};

/** Twice as long as the longest takes. */
const TIMEOUT_MS = 30_000;

const CLIENTS: readonly Client[] = [
  { name: "lines, both ways", everyMs: 500, run: streamLines },
  { name: "server-sent events", everyMs: 500, run: readEvents },
  { name: "slow upload", everyMs: 1000, run: uploadSlowly },
  { name: "slow download, 1 MB", everyMs: 5000, run: downloadSlowly },
  { name: "left in an upload", everyMs: 500, run: leaveUpload },
  { name: "left in lines", everyMs: 500, run: leaveLines },
  { name: "left in events", everyMs: 500, run: leaveEvents },
];

type Exchange = { request: ClientRequest; response: Promise<IncomingMessage> };

function open(address: string, method: string, path: string, headers: { [name: string]: string | number }): Exchange {
  const [host, port] = address.split(":") as [string, string];
  const request = httpRequest({ host, port, method, path, headers, agent: false, timeout: TIMEOUT_MS });
  request.on("timeout", () => request.destroy(new Error("no answer in time")));
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
  response.catch(() => {}); // who awaits it hears of it
  return { request, response };
}

async function writeSlowly(request: ClientRequest, pieces: readonly Buffer[], pauseMs: number): Promise<void> {
  for (const piece of pieces) {
    request.write(piece);
    await delay(pauseMs);
  }
}

async function textOf(response: IncomingMessage, pauseMs = 0): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += chunk as string;
    if (pauseMs > 0) await delay(pauseMs);
  }
  return text;
}

function difference(response: IncomingMessage, text: string, expected: string): string | undefined {
  if (response.statusCode !== 200) return `status ${response.statusCode}`;
  if (text === expected) return undefined;
  return text.length === expected.length ? "wrong body" : `a body of ${text.length} for ${expected.length} bytes`;
}

async function streamLines(address: string): Promise<string | undefined> {
  const pieces = linePieces();
  const last = pieces.pop() as Buffer; // there is more than one
  const { request, response } = open(address, "POST", "/streams/lines", { "content-type": LINES });
  await writeSlowly(request, pieces, 50);
  const got = await response;
  await once(got, "readable"); // lines are out before the last is in, or this ends with the timeout
  request.end(last);
  return difference(got, await textOf(got), LINES_MASKED);
}

async function readEvents(address: string): Promise<string | undefined> {
  const { request, response } = open(address, "GET", "/streams/events", {});
  request.end();
  const got = await response;
  return difference(got, await textOf(got), EVENTS_MASKED);
}

async function uploadSlowly(address: string): Promise<string | undefined> {
  const body = orderText(16_384);
  const headers = { "content-type": "application/json", "content-length": body.length };
  const { request, response } = open(address, "POST", "/rewrite/slow", headers);
  await writeSlowly(request, cut(Buffer.from(body), 1024), 100);
  request.end();
  const got = await response;
  return difference(got, await textOf(got), marked(body));
}

async function downloadSlowly(address: string): Promise<string | undefined> {
  const { request, response } = open(address, "GET", "/reply/1000000", {});
  request.end();
  const got = await response;
  return difference(got, await textOf(got, 100), redactedText(1_000_000));
}

async function leaveUpload(address: string): Promise<undefined> {
  const headers = { "content-type": "application/json", "content-length": 16_384 };
  const { request } = open(address, "POST", "/rewrite/left", headers);
  request.write(orderText(1024));
  await delay(50);
  request.destroy();
}

async function leaveLines(address: string): Promise<undefined> {
  const { request, response } = open(address, "POST", "/streams/left", { "content-type": LINES });
  await writeSlowly(request, linePieces().slice(0, -1), 10);
  await response;
  request.destroy();
}

async function leaveEvents(address: string): Promise<undefined> {
  const { request, response } = open(address, "GET", "/streams/left", {});
  request.end();
  const got = await response;
  await once(got, "readable");
  request.destroy();
}

export type Tally = { requests: number; failures: number; reasons: { [reason: string]: number } };

/** Starts each client as often as it says until `until` (of performance.now()), then waits for those under way. */
export async function runClients(address: string, until: number): Promise<{ [name: string]: Tally }> {
  const tallies: { [name: string]: Tally } = {};
  await Promise.all(
    CLIENTS.map((client) => {
      const tally: Tally = { requests: 0, failures: 0, reasons: {} };
      tallies[client.name] = tally;
      return repeat(client, address, until, tally);
    }),
  );
  return tallies;
}

async function repeat(client: Client, address: string, until: number, tally: Tally): Promise<void> {
  const underWay = new Set<Promise<void>>();
  while (performance.now() < until) {
    const one = client
      .run(address)
      .catch((error: unknown) => String(error))
      .then((reason) => {
        tally.requests++;
        if (reason !== undefined) fail(tally, reason);
        underWay.delete(one);
      });
    underWay.add(one);
    await delay(client.everyMs);
  }
  await Promise.all(underWay);
}

function fail(tally: Tally, reason: string): void {
  tally.failures++;
  tally.reasons[reason] = (tally.reasons[reason] ?? 0) + 1;
}
