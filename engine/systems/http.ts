/**
 * JSON over HTTP, POST unless the options say otherwise. Kept simple on purpose: http and https only, no redirects (a mirror must not be sent elsewhere by its
 * target), a deadline over the whole exchange, replies and sockets bounded. A user and password in the URL become an
 * Authorization header and stand in no message.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import type { HttpPoster, SystemError, SystemType } from "../core/ports.ts";
import { headerValueError, writeRefusedBecause } from "../core/routes/header.ts";
import { CLOSED, errorCode, failure, isSystemError, refusedContent, refuseId } from "./failure.ts";
import { newExchanges } from "./http-exchange.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";
import { readTls, TLS_FIELD, type Tls } from "./tls.ts";

const TIMEOUT_MS = 10_000;

const options = {
  timeoutMs: {
    kind: "integer",
    min: 1,
    max: 600_000,
    doc: `For the whole exchange, connecting and the reply included. Default ${TIMEOUT_MS}.`,
  },
  method: { kind: "word", words: ["POST", "PUT", "PATCH"], doc: "Default POST." },
  headers: {
    kind: "map",
    of: { kind: "string", doc: "Its value." },
    doc: "Sent with each event, beside or in place of content-type, user-agent and authorization.",
  },
  secretHeaders: {
    kind: "map",
    of: { kind: "secret", doc: "Its value." },
    doc: "As headers, for values that stand in no file.",
  },
  tls: TLS_FIELD,
} as const;

export const http: SystemDefinition = {
  key: "http",
  summary: "Sends each event as JSON to a URL: POST, connections kept, redirects not followed.",
  types: ["ExternalHttp"],
  grammar: "http://HOST[:PORT]/PATH or https://…",
  options,
};

export type HttpSettings = Parsed & {
  /** without user and password */
  url: string;
  /** value of the Authorization header; "" for none */
  authorization: string;
  /** the URL as messages show it: no password, no query, which may be a key just as well */
  shown: string;
};

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

export async function openHttp(settings: HttpSettings, deps?: SystemDeps): Promise<OpenedSystem | SystemError> {
  const chosen = (deps?.options ?? {}) as ConfigOf<typeof options>; // the loader has checked them
  const headers = headersOf(settings, { ...chosen.headers, ...chosen.secretHeaders });
  if (isSystemError(headers)) return headers;
  const tls = readTls(chosen.tls) ?? {};
  if (isSystemError(tls)) return tls;
  const { url, shown } = settings;
  const { method = "POST", timeoutMs = TIMEOUT_MS } = chosen;
  const exchanges = newExchanges({ url, method, headers, shown, timeoutMs, tls });
  const state = { closed: false };
  const poster: HttpPoster = {
    async post(id, body, about) {
      if (state.closed) return CLOSED;
      const refused = refuseId(id);
      if (refused !== undefined) return refused;
      const exchange = await exchanges.post(id, body, about);
      if ("retryable" in exchange) return exchange;
      return exchange.status < 300 ? { reply: exchange.reply } : refusedStatus(exchange.status, shown);
    },
  };
  return {
    port: { type: "ExternalHttp", poster },
    probe: async () => (state.closed ? CLOSED : connectTo(new URL(url), tls, Math.min(timeoutMs, PROBE_MS))),
    async close() {
      state.closed = true;
      exchanges.close();
    },
  };
}

type Headers = { [name: string]: string };

function headersOf(settings: HttpSettings, chosen: Headers): Headers | SystemError {
  const headers: Headers = { "content-type": "application/json" };
  if (settings.authorization !== "") headers.authorization = settings.authorization;
  for (const [written, value] of Object.entries(chosen)) {
    const name = written.toLowerCase();
    const wrong = writeRefusedBecause(name) || headerValueError(value);
    if (wrong !== "") return failure("options", `the header "${name}" ${wrong}`, false);
    headers[name] = value;
  }
  return headers;
}

const PROBE_MS = 5000;

// Whatever one sends may be taken for an event: a connection is as far as it goes without harm.
function connectTo(url: URL, tls: Tls, timeoutMs: number): Promise<Probed | SystemError> {
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (secure ? 443 : 80));
  return new Promise((resolve) => {
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const found = secure ? "connected with TLS, sent nothing" : "connected, sent nothing";
    const settle = (answer: Probed | SystemError): void => {
      socket.destroy();
      resolve(answer);
    };
    const connected = (): void => settle({ found });
    const socket: Socket = secure
      ? connectTls({ ...tls, host, port, ...servername }, connected)
      : connectTcp({ host, port }, connected);
    socket.setTimeout(timeoutMs, () => settle(failure("timeout", `no connection within ${timeoutMs} ms`, true)));
    socket.on("error", (error) => settle(failure(errorCode(error), `${errorCode(error)} connecting`, true)));
  });
}

/** RFC 9110, 15.5: bad request, content too large, unprocessable content. */
const ABOUT_THE_CONTENT = new Set([400, 413, 422]);

function refusedStatus(status: number, shown: string): SystemError {
  const retryable = status >= 500 || status === 408 || status === 425 || status === 429;
  const message = `error status ${status} posting to url '${shown}'`;
  return ABOUT_THE_CONTENT.has(status)
    ? refusedContent(`http${status}`, message)
    : failure(`http${status}`, message, retryable);
}
