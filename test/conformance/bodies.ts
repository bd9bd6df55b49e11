/** Bodies in every mode, of every size, cut and ended in every way: what goes on is what came, or there is a reply. */
import { BodyMode } from "../../extproc/messages/messages.ts";
import type { Content, Exchange, Server } from "./client.ts";
import type { Setup } from "./envoy-side.ts";
import { check, cutInto, JSON_TYPE, jsonOf, requestHeaders, responseHeaders, type Scenario, same } from "./scenario.ts";

const SIZES = [0, 1, 100, 65_535, 65_536, 65_537, 1_000_000];
const CHUNKS = [1_000_000, 16_384, 1000];
/** More would only take time. */
const MESSAGES_MAX = 100;
const ENDS = ["last", "empty", "trailers", "unseen trailers"] as const;
type End = (typeof ENDS)[number];

export const MODES = Object.entries(BodyMode);
export const DIRECTIONS = ["request", "response"] as const;

/** `path`: where the server finds its rules, if any. */
export function bodyScenarios(path: string): Scenario[] {
  const scenarios: Scenario[] = [];
  for (const [name, mode] of MODES) {
    for (const end of ENDS) {
      if (end === "unseen trailers" && mode >= BodyMode.FULL_DUPLEX_STREAMED) continue; // facts 5.1
      for (const direction of DIRECTIONS) {
        const title = `${path} ${direction} body ${name}, ended by ${end}`;
        scenarios.push({ name: title, run: (server) => allSizes(server, path, direction, mode, end) });
      }
    }
    scenarios.push({
      name: `${path} both bodies ${name}, one byte at a time`,
      run: (server) => bytewise(server, path, mode),
    });
    scenarios.push({
      name: `${path} both bodies ${name}, empty chunks between`,
      run: (server) => gaps(server, path, mode),
    });
  }
  return scenarios;
}

async function allSizes(server: Server, path: string, direction: "request" | "response", mode: BodyMode, end: End) {
  for (const size of SIZES) {
    for (const chunkBytes of CHUNKS) {
      const isCut = size > chunkBytes && size <= MESSAGES_MAX * chunkBytes;
      if (!isCut && chunkBytes !== CHUNKS[0]) continue;
      for (const hasLength of [true, false]) {
        const length = hasLength ? ["content-length", String(size)] : [];
        const content = { headers: [...JSON_TYPE, ...length], chunks: cutInto(jsonOf(size), chunkBytes), end };
        const label = `${size} bytes in chunks of ${chunkBytes}${hasLength ? " with content-length" : ""}`;
        await labelled(label, () => passes(server, path, { [direction]: mode }, { [direction]: content }));
      }
    }
  }
}

/** A call whose messages have these contents; without one, the message has no body. */
export async function passes(
  server: Server,
  path: string,
  setup: Setup,
  contents: { request?: Content; response?: Content },
): Promise<Exchange> {
  const exchange = server.open(setup);
  const { request = { headers: [] }, response = { headers: [] } } = contents;
  await exchange.passMessage("request", { ...request, headers: requestHeaders(path, ...request.headers) });
  if (!exchange.envoy.isOver) {
    await exchange.passMessage("response", { ...response, headers: responseHeaders(200, ...response.headers) });
  }
  await exchange.finish();
  if (exchange.envoy.reply !== undefined) return exchange;
  same(exchange.envoy.request.body, Buffer.concat(request.chunks ?? []), "the request's body");
  same(exchange.envoy.response.body, Buffer.concat(response.chunks ?? []), "the response's body");
  return exchange;
}

async function bytewise(server: Server, path: string, mode: BodyMode) {
  const content = { headers: JSON_TYPE, chunks: cutInto(jsonOf(500), 1) };
  await passes(server, path, { request: mode, response: mode }, { request: content, response: content });
}

async function gaps(server: Server, path: string, mode: BodyMode) {
  const [one, two] = cutInto(jsonOf(100), 50) as [Uint8Array, Uint8Array];
  const nothing = new Uint8Array(0);
  const chunks = mode === BodyMode.BUFFERED_PARTIAL ? [one, two] : [nothing, one, nothing, nothing, two, nothing];
  const content = { headers: JSON_TYPE, chunks };
  await passes(server, path, { request: mode, response: mode }, { request: content, response: content });
}

/** Says with which input it went wrong. */
export async function labelled(label: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    check(false, `${label}: ${(error as Error).message}`);
  }
}
