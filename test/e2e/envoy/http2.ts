/** HTTP/2 peers of Envoy on node:http2, with trailers and pieces as a test says. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";

export type Http2Message = {
  headers: IncomingHttpHeaders;
  body: Buffer;
  trailers: IncomingHttpHeaders;
  /** it ended as a message does, not by a reset */
  complete: boolean;
};

export type Http2Ask = {
  headers?: OutgoingHttpHeaders;
  /** each a DATA frame or more of its own; none: HEADERS end the stream, or trailers do */
  pieces?: readonly (string | Uint8Array)[];
  trailers?: OutgoingHttpHeaders;
};

export type Http2Client = {
  ask(request: Http2Ask): Promise<Http2Message>;
  session: ClientHttp2Session;
  close(): void;
};

export function openHttp2(port: number): Http2Client {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 24 } });
  session.on("error", () => {}); // its streams tell
  return { session, close: () => session.close(), ask: (request) => ask(session, request) };
}

function ask(session: ClientHttp2Session, { headers = {}, pieces, trailers }: Http2Ask): Promise<Http2Message> {
  const endStream = pieces === undefined && trailers === undefined;
  const stream = session.request(
    { ":method": "POST", ":path": "/", ...headers },
    { endStream, waitForTrailers: trailers !== undefined },
  );
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const piece of pieces ?? []) stream.write(piece);
  if (!endStream) stream.end();
  const message: Http2Message = { headers: {}, body: Buffer.alloc(0), trailers: {}, complete: false };
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    stream.on("response", (received) => {
      message.headers = received;
    });
    stream.on("trailers", (received) => {
      message.trailers = received;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      message.complete = stream.rstCode === 0;
    });
    stream.on("error", () => {
      message.complete = false;
    });
    stream.on("close", () => {
      message.body = Buffer.concat(chunks);
      resolve(message);
    });
  });
}

export type Http2Upstream = {
  address: string;
  /** every request whose headers have come */
  requests: Http2Message[];
  /** answers a request that is complete; it gives the body back, with a trailer, when not replaced */
  respond: (request: Http2Message, stream: ServerHttp2Stream) => void;
  stop(): Promise<void>;
};

export async function startHttp2Upstream(): Promise<Http2Upstream> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({ settings: { initialWindowSize: 1 << 24 } });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  const upstream: Http2Upstream = {
    address: "",
    requests: [],
    respond: (request, stream) =>
      respondWith(stream, { "content-type": request.headers["content-type"] }, [request.body], { "x-end": "yes" }),
    async stop() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
  server.on("stream", (stream, headers) => {
    const request: Http2Message = { headers, body: Buffer.alloc(0), trailers: {}, complete: false };
    upstream.requests.push(request);
    stream.on("error", () => {}); // Envoy resets what it refuses
    stream.on("trailers", (trailers) => {
      request.trailers = trailers;
    });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      request.body = Buffer.concat(chunks);
      request.complete = stream.rstCode === 0;
      if (request.complete) upstream.respond(request, stream);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  upstream.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return upstream;
}

export function respondWith(
  stream: ServerHttp2Stream,
  headers: OutgoingHttpHeaders,
  pieces: readonly (string | Uint8Array)[],
  trailers?: OutgoingHttpHeaders,
): void {
  stream.respond({ ":status": 200, ...headers }, { waitForTrailers: trailers !== undefined });
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const piece of pieces) stream.write(piece);
  stream.end();
}
