/**
 * HTTP POST of JSON. Kept simple on purpose: http and https only, no redirects (a mirror must not be sent elsewhere by its
 * target), a deadline over the whole exchange, replies and sockets bounded. A user and password in the URL become an
 * Authorization header and stand in no message.
 */
import type { SystemDefinition } from "../core/definition.ts";
import type { HttpPoster, SystemError, SystemType } from "../core/ports.ts";
import { CLOSED, failure, refuseId } from "./failure.ts";
import { newExchanges } from "./http-exchange.ts";
import { type OpenedSystem, type Parsed, type Refusal, refuse } from "./system.ts";

export const http: SystemDefinition = {
  key: "http",
  summary: "POSTs each event as JSON to a URL.",
  types: ["ExternalHttp"],
  grammar: "http://HOST[:PORT]/PATH or https://…",
};

export type HttpSettings = Parsed & {
  /** without user and password */
  url: string;
  /** value of the Authorization header; "" for none */
  authorization: string;
  /** the URL as messages show it: no password, no query, which may be a key just as well */
  shown: string;
  timeoutMs: number;
};

const TIMEOUT_MS = 10_000;

export function parseHttp(_type: SystemType, connectionString: string): HttpSettings | Refusal {
  const remedy = "write http://HOST/PATH or https://HOST/PATH";
  const url = URL.parse(connectionString);
  // A text that is no URL may still hold a password: it is not quoted.
  if (url === null) return refuse("the connection string is no URL", remedy);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return refuse(`ExternalHttp knows no "${url.protocol}"`, remedy);
  }
  const authorization = takeAuthorization(url);
  if (authorization === undefined)
    return refuse("user or password in the URL have a broken % escape", "write % as %25");
  return {
    outputType: "web",
    connectionString: authorization === "" ? connectionString : url.href.replace("//", "//***@"),
    url: url.href,
    authorization,
    shown: url.origin + url.pathname,
    timeoutMs: TIMEOUT_MS,
  };
}

/** Moves user and password out of the URL, as Go's client does. undefined: they cannot be decoded. */
function takeAuthorization(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return "";
  try {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    url.username = "";
    url.password = "";
    return `Basic ${Buffer.from(pair).toString("base64")}`;
  } catch {
    // decodeURIComponent has no other way to say so.
    return undefined;
  }
}

export async function openHttp(settings: HttpSettings): Promise<OpenedSystem> {
  const exchanges = newExchanges(settings);
  const state = { closed: false };
  const poster: HttpPoster = {
    async post(id, body, about) {
      if (state.closed) return CLOSED;
      const refused = refuseId(id);
      if (refused !== undefined) return refused;
      const exchange = await exchanges.post(id, body, about);
      if ("retryable" in exchange) return exchange;
      return exchange.status < 300 ? { reply: exchange.reply } : refusedStatus(exchange.status, settings.shown);
    },
  };
  return {
    port: { type: "ExternalHttp", poster },
    async close() {
      state.closed = true;
      exchanges.close();
    },
  };
}

function refusedStatus(status: number, shown: string): SystemError {
  const retryable = status >= 500 || status === 408 || status === 425 || status === 429;
  return failure(`http${status}`, `error status ${status} posting to url '${shown}'`, retryable);
}
