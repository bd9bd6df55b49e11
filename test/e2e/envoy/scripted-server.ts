/**
 * An ext_proc server for the tests of the generated configuration: it says yes to everything, on node:http2 and with
 * its messages written by hand (field numbers: protos/), and tells what reached it.
 */
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

export type ScriptedServer = {
  address: string;
  /** one per stream, in order */
  streams: ScriptedStream[];
  /** bytes of the body put in place of each that comes; 0 leaves them alone */
  replacementBytes: number;
  /** looks at each stream first; true: it has dealt with it */
  intercept: (stream: ServerHttp2Stream) => boolean;
  /** what the health check answers: 1 SERVING, 2 NOT_SERVING */
  health: number;
  stop(): Promise<void>;
};

export type ScriptedStream = {
  /** the metadata x-agglo-route */
  mark: string;
  /** fields of the ProcessingRequests: 2 request headers, 3 response headers, 4 request body, 5 response body */
  messages: number[];
  /** size of each message, its own frame of a few bytes included */
  messageBytes: number[];
};

// Envoy resets every stream and Node would take that for an attack (facts 0.4); @types/node lags behind.
const SETTINGS = { streamResetBurst: 1e9, streamResetRate: 1e9, settings: { initialWindowSize: 1 << 24 } };

export async function startScriptedServer(port: number): Promise<ScriptedServer> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(SETTINGS);
  const stop = () =>
    new Promise<void>((resolve) => {
      for (const session of sessions) session.destroy();
      server.close(() => resolve());
    });
  const script: ScriptedServer = {
    address: "",
    streams: [],
    replacementBytes: 0,
    intercept: () => false,
    health: 1,
    stop,
  };
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {}); // the reset at the end of every stream
    answer(script, stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  script.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return script;
}

function answer(script: ScriptedServer, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  if (headers[":path"] === "/grpc.health.v1.Health/Check") {
    answerHealth(stream, script.health);
    return;
  }
  if (script.intercept(stream)) return;
  const seen: ScriptedStream = { mark: String(headers["x-agglo-route"]), messages: [], messageBytes: [] };
  script.streams.push(seen);
  stream.respond({ "content-type": "application/grpc" });
  let buf = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    buf = Buffer.concat([buf, chunk]);
    while (buf.length >= 5 && buf.length >= 5 + buf.readUInt32BE(1)) {
      const message = buf.subarray(5, 5 + buf.readUInt32BE(1));
      buf = buf.subarray(5 + message.length);
      const kind = (message[0] as number) >> 3;
      seen.messages.push(kind);
      seen.messageBytes.push(message.length);
      stream.write(envelope(response(kind, script.replacementBytes)));
    }
  });
}

function answerHealth(stream: ServerHttp2Stream, health: number): void {
  stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  let request = "";
  stream.on("data", (chunk: Buffer) => {
    request += chunk.toString("latin1");
  });
  stream.on("end", () => {
    const isOurs = request.slice(7) === "envoy.service.ext_proc.v3.ExternalProcessor"; // envelope, tag, length
    stream.end(envelope(Buffer.from([1 << 3, isOurs ? health : 3]))); // 3 SERVICE_UNKNOWN
  });
}

/** ProcessingResponse: headers and bodies have the number of their request less one. */
function response(kind: number, replacementBytes: number): Buffer {
  const isBody = kind === 4 || kind === 5;
  if (!isBody || replacementBytes === 0) return field(kind - 1, Buffer.alloc(0));
  const headerMutation = field(2, field(2, Buffer.from("content-length"))); // remove_headers
  const bodyMutation = field(3, field(1, Buffer.alloc(replacementBytes, "r")));
  return field(kind - 1, field(1, Buffer.concat([headerMutation, bodyMutation])));
}

export function field(number: number, value: Buffer): Buffer {
  const head = [(number << 3) | 2];
  let length = value.length;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), value]);
}

export function envelope(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
