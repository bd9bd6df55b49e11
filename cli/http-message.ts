/** An HTTP message as Envoy shows it to an ext_proc server, and as a test case writes it. */
import type { ExchangeCase } from "../engine/config/test-cases.ts";
import type { JsonValue } from "../engine/core/event/json.ts";

export type HttpMessage = {
  /** flat: name, value, name, value…; lower-case names, pseudo-headers first, values latin1 */
  headers: readonly string[];
  /** empty: there is none */
  body: Uint8Array;
};

export function requestMessage(request: Partial<NonNullable<ExchangeCase["request"]>>): HttpMessage {
  const body = bytesOf(request.body);
  const { host = "localhost", ...headers } = lowerCase(request.headers);
  const method = request.method ?? (body.length > 0 ? "POST" : "GET");
  const line = [":authority", host, ":path", request.path ?? "/", ":method", method, ":scheme", "http"];
  return { headers: [...line, ...flat(framed(headers, body, /^(?:POST|PUT|PATCH)$/.test(method)))], body };
}

export function responseMessage(response: Partial<NonNullable<ExchangeCase["response"]>> | undefined): HttpMessage {
  const body = bytesOf(response?.body);
  const status = response?.status ?? 200;
  const headers = framed(lowerCase(response?.headers), body, status !== 204 && status !== 304);
  return { headers: [":status", String(status), ...flat(headers)], body };
}

export function bodyText(message: HttpMessage): string {
  return Buffer.from(message.body).toString("utf8");
}

type Headers = { [name: string]: string };

function lowerCase(headers: Headers | undefined): Headers {
  const entries = Object.entries(headers ?? {}).map(([name, value]) => [
    name.toLowerCase(),
    Buffer.from(value, "utf8").toString("latin1"),
  ]);
  return Object.fromEntries(entries);
}

/**
 * A body's length is said, unless the headers say that it goes in chunks; `expected`: also that there is none (RFC 9110
 * section 8.6).
 */
function framed(headers: Headers, body: Uint8Array, expected: boolean): Headers {
  if (body.length === 0) return expected ? { "content-length": "0", ...headers } : headers;
  const length: Headers = "transfer-encoding" in headers ? {} : { "content-length": String(body.length) };
  return { "content-type": "application/json", ...length, ...headers };
}

function flat(headers: Headers): string[] {
  return Object.entries(headers).flat();
}

function bytesOf(body: JsonValue | undefined): Uint8Array {
  if (body === undefined) return new Uint8Array(0);
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body), "utf8");
}
