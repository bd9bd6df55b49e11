/** One request with a body over Node's client: from bytes to a status and a bounded reply, or a value that says what broke. */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { ObjectAbout, SystemError } from "../core/ports.ts";
import { errorCode, failure } from "./failure.ts";
import type { Tls } from "./tls.ts";

/** More than any reply a pipeline has use for; the target chooses the length. */
const REPLY_BYTES_MAX = 1024 * 1024;
/** Sockets to one target unless it is said; a slow one must not eat the descriptors. */
const SOCKETS_MAX = 16;
const FREE_SOCKETS_MAX = 4;

export type ExchangeOptions = {
  url: string;
  method: string;
  /** sent with each; lower-case names */
  headers: { readonly [name: string]: string };
  /** the URL as messages show it */
  shown: string;
  timeoutMs: number;
  /** left out: what Node trusts */
  tls?: Tls;
  /** how many requests may be under way at once; others wait for a socket. Default 16. */
  sockets?: number;
};
export type Exchange = { status: number; reply: string };
export type Exchanges = {
  /** `id` goes along as Idempotency-Key; "": none. Never rejects. */
  post(id: string, body: Uint8Array, about?: ObjectAbout): Promise<Exchange | SystemError>;
  /** Ends idle sockets and exchanges under way. */
  close(): void;
};

export function newExchanges(options: ExchangeOptions): Exchanges {
  const secure = options.url.startsWith("https:");
  const { sockets = SOCKETS_MAX } = options;
  const limits = { keepAlive: true, maxSockets: sockets, maxFreeSockets: options.sockets ?? FREE_SOCKETS_MAX };
  const agent = secure ? new HttpsAgent({ ...limits, ...options.tls }) : new HttpAgent(limits);
  return {
    async post(id, body, about) {
      const headers = headersFor(options, id, body, about);
      const answer = await exchange(options, agent, headers, body);
      if (answer !== STALE) return answer;
      // A socket of its own this time: the other idle ones may be as dead.
      const again = await exchange(options, false, headers, body);
      return again === STALE ? broken(options, "ECONNRESET") : again;
    },
    close: () => agent.destroy(),
  };
}

/** The target closed an idle connection just as it was used again: no fault of anybody, and seen by no application. */
const STALE = Symbol("stale");
type Answer = Exchange | SystemError | typeof STALE;

function exchange(
  options: ExchangeOptions,
  agent: HttpAgent | false,
  headers: Headers,
  body: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve) => {
    const send = options.url.startsWith("https:") ? requestHttps : requestHttp;
    const { url, method, tls } = options;
    const request = send(url, { method, agent, headers, ...tls });
    // Over the whole exchange: Node's own timeout only sees silence, and a target may drip.
    const timer = setTimeout(() => {
      settle(failure("timeout", `no reply within ${options.timeoutMs} ms posting to url '${options.shown}'`, true));
      request.destroy();
    }, options.timeoutMs);
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    request.on("error", (error) => settle(isStale(request, error) ? STALE : broken(options, errorCode(error))));
    request.on("response", (response) => readReply(options, request, response, settle));
    request.end(body);
  });
}

type Headers = Record<string, string | number>;

function headersFor(options: ExchangeOptions, id: string, body: Uint8Array, about: ObjectAbout | undefined): Headers {
  const headers: Headers = { "user-agent": "agglo", ...options.headers };
  headers["content-length"] = body.byteLength;
  // A retry may arrive twice; a target that minds can tell.
  if (id !== "") headers["idempotency-key"] = id;
  if (about === undefined) return headers;
  headers["content-type"] = about.contentType;
  if (about.contentEncoding !== "") headers["content-encoding"] = about.contentEncoding;
  return headers;
}

function isStale(request: ClientRequest, error: Error): boolean {
  const code = errorCode(error);
  return request.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
}

function readReply(
  options: ExchangeOptions,
  request: ClientRequest,
  response: IncomingMessage,
  settle: (answer: Answer) => void,
): void {
  const status = response.statusCode ?? 0; // Node sets it on every response
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= REPLY_BYTES_MAX) {
      chunks.push(chunk);
      return;
    }
    settle(status < 300 ? tooLong(options) : { status, reply: "" });
    request.destroy();
  });
  response.on("end", () => settle({ status, reply: Buffer.concat(chunks).toString("utf8") }));
  response.on("error", (error) => settle(broken(options, errorCode(error))));
}

function tooLong(options: ExchangeOptions): SystemError {
  return failure("replyTooLong", `a reply of over ${REPLY_BYTES_MAX} bytes posting to url '${options.shown}'`, false);
}

/** What passes when a network, a name server or the target comes back. The rest (TLS, HTTP syntax) stays wrong. */
const RETRYABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EADDRNOTAVAIL",
  "EMFILE",
]);

function broken(options: ExchangeOptions, code: string): SystemError {
  return failure(code, `${code} posting to url '${options.shown}'`, RETRYABLE.has(code));
}
