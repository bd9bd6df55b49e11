/** `binge echo-server`: an upstream or a tee's target to try things out with; it answers with what it got. */
import { isUtf8 } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { boundAddress, listen } from "../engine/runtime/listen.ts";
import { optionalString, readArguments, wholeNumber } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";
import { openOutput } from "./output.ts";
import { stopOnSignal } from "./stop.ts";

export const ECHO_SERVER_HELP = `binge echo-server [--listen ADDR] [--status N] [--delay MS] [--raw]
  Answers each HTTP/1.1 request with what it got, as JSON: method, path, headers, body (JSON as it came, other text as a
  string, anything else under bodyBase64), and prints one line per request.
  --listen ADDR    127.0.0.1:8080, [::1]:8080 or unix:/path; port 0: any free one. It is said on stderr
  --status N       of the answers, 200 to 599 (200); --delay MS before each, from when its body is there
  --raw            answers with the body alone, byte for byte, and its content-type`;

const OPTIONS = {
  listen: { type: "string" },
  status: { type: "string" },
  delay: { type: "string" },
  raw: { type: "boolean" },
} as const;

const DELAY_MS_MAX = 3_600_000;
/** Of a request; the answer holds it again. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

type Settings = { status: number; delayMs: number; raw: boolean; signal: AbortSignal };

export async function echoServer(args: readonly string[]): Promise<number> {
  const parsed = readArguments("echo-server", args, OPTIONS, false);
  const stop = stopOnSignal();
  const settings = {
    status: wholeNumber("echo-server", parsed, "status", 200, 599) ?? 200,
    delayMs: wholeNumber("echo-server", parsed, "delay", 0, DELAY_MS_MAX) ?? 0,
    raw: parsed.values.raw === true,
    signal: stop.signal,
  };
  const output = openOutput(undefined);
  const ended = Promise.withResolvers<void>();
  stop.signal.addEventListener("abort", () => ended.resolve());
  const server = createServer((request, response) => {
    answer(request, response, settings)
      .then((line) => output.write(`${line}\n`))
      .catch(ended.reject);
  });
  const address = optionalString(parsed, "listen") ?? "127.0.0.1:8080";
  const listener = await open(address, server);
  process.stderr.write(`echo-server on ${boundAddress(address, listener)}\n`);
  await ended.promise;
  listener.close();
  server.closeAllConnections();
  await output.close();
  return Exit.ok;
}

function open(address: string, server: Server): ReturnType<typeof listen> {
  const onError = (error: Error) => process.stderr.write(`${error.message}\n`);
  return listen(address, (socket) => void server.emit("connection", socket), onError).catch((error: Error) => {
    throw new Ending(Exit.unavailable, `binge echo-server: ${error.message}`);
  });
}

/** Answers, and says in a line what was asked and what became of it. */
async function answer(request: IncomingMessage, response: ServerResponse, settings: Settings): Promise<string> {
  const { method = "", url = "" } = request;
  try {
    const body = await bodyOf(request);
    await delay(settings.delayMs, undefined, { signal: settings.signal });
    const { status, contentType, content } = answerTo(request, body, settings);
    response.writeHead(status, { "content-type": contentType }).end(content);
    return `${method} ${url} ${body?.byteLength ?? `over ${BODY_BYTES_MAX}`} bytes -> ${status}`;
  } catch {
    // Only the client's leaving and our own end come here.
    return `${method} ${url} -> gone before an answer`;
  }
}

/** undefined: it is too long. It is read to its end all the same, or nobody would hear the answer. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  return bytes <= BODY_BYTES_MAX ? Buffer.concat(chunks) : undefined;
}

type Answer = { status: number; contentType: string; content: Buffer };

function answerTo({ method, url, headers }: IncomingMessage, body: Buffer | undefined, settings: Settings): Answer {
  const { status, raw } = settings;
  if (body === undefined) {
    const content = Buffer.from(`a body of over ${BODY_BYTES_MAX} bytes\n`);
    return { status: 413, contentType: "text/plain", content };
  }
  if (raw) return { status, contentType: headers["content-type"] ?? "application/octet-stream", content: body };
  const seen = JSON.stringify({ method, path: url, headers }).slice(0, -1);
  return { status, contentType: "application/json", content: Buffer.from(`${seen},${bodyMember(body)}}\n`) };
}

function bodyMember(body: Buffer): string {
  if (!isUtf8(body)) return `"bodyBase64":"${body.toString("base64")}"`;
  const text = body.toString("utf8");
  return `"body":${isJson(text) ? text : JSON.stringify(text)}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // JSON.parse has no other way to say so
  }
}
