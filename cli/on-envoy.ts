/** Exchanges through a real Envoy: started once for a configuration, with a server of its own for every exchange. */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { fixedRuntime } from "../engine/runtime/generations.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import { acceptExchanges } from "../extproc/server.ts";
import type { Accept } from "../extproc/transport.ts";
import type { Rig } from "../tools/start/stack.ts";
import type { Observed, Play } from "./exchange-cases.ts";
import { Ending, Exit } from "./exit.ts";
import type { HttpMessage } from "./http-message.ts";

export type Stage = { play: Play; stop(): Promise<void> };

/** Throws an Ending when there is no Envoy, or it does not start. */
export async function startStage(routes: readonly RoutePlan[]): Promise<Stage> {
  let accept: Accept | undefined;
  let response: HttpMessage | undefined;
  const { startRig } = await import("../tools/start/stack.ts"); // with what fetches an Envoy: only who asks for one pays
  const rig = await startRig(routes, (call, metadata) => (accept as Accept)(call, metadata), {
    port: 0,
    respond: (_seen, out) => answerWith(response as HttpMessage, out),
  }).catch((error: unknown) => {
    throw new Ending(Exit.unavailable, `binge test: ${error instanceof Error ? error.message : String(error)}`);
  });
  const play: Play = (runtime, request, answer) => {
    accept = acceptExchanges(fixedRuntime(runtime));
    response = answer;
    return sendThrough(rig, request);
  };
  return { play, stop: rig.stop };
}

/** Answers a request that reached an upstream. */
export function answerWith({ headers, body }: HttpMessage, out: ServerResponse): void {
  out.writeHead(Number(headerValue(headers, ":status")), plainPairs(headers));
  out.end(body);
}

/** Sends a request to Envoy; what reached the upstream, and what came back. Nothing else may be on its way. */
export async function sendThrough(rig: Pick<Rig, "envoy" | "upstream">, request: HttpMessage): Promise<Observed> {
  const { reached, raw } = rig.upstream;
  const before = reached.length;
  const reply = await send(rig.envoy.port, request);
  const seen = reached[before];
  if (seen === undefined) return { upstream: undefined, reply };
  const headers = [":method", seen.method, ":path", seen.path, ...flat(seen.headers)];
  return { upstream: { headers, body: raw[before] as Buffer }, reply };
}

// node:http and not fetch: a path and a Host go out as they are written.
function send(port: number, { headers, body }: HttpMessage): Promise<HttpMessage> {
  return new Promise((resolve, reject) => {
    const [method, path, host] = [":method", ":path", ":authority"].map((name) => headerValue(headers, name) ?? "");
    const pairs = ["host", host as string, ...plainPairs(headers)];
    const target = { host: "127.0.0.1", port, agent: false, method: method as string, path: path as string };
    const request = httpRequest({ ...target, headers: pairs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const status = String(response.statusCode);
        resolve({ headers: [":status", status, ...rawHeaders(response)], body: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

function plainPairs(headers: readonly string[]): string[] {
  return headers.filter((_, i) => !(headers[i - (i % 2)] as string).startsWith(":"));
}

function rawHeaders(message: IncomingMessage): string[] {
  return message.rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
}

function flat(headers: IncomingMessage["headers"]): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((each) => [name, each]));
}
