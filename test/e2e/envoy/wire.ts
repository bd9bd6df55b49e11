/** Raw peers of Envoy: an HTTP/1.1 client and an HTTP/1.1 upstream whose bytes a test writes and reads itself. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, vi } from "vitest";
import { type Http1Message, type Http1Reader, newHttp1Reader, statusOf } from "./http1.ts";

/** One connection to Envoy. */
export type Wire = {
  /** text leaves as latin1 */
  write(bytes: string | Uint8Array): void;
  /** Waits for the next response, 1xx ones included, to be complete. */
  response(): Promise<Http1Message>;
  /** what has come, complete or not */
  reader: Http1Reader;
  /** Envoy has closed the connection */
  closed: boolean;
  end(): void;
};

/** `methods`: of the requests that will be sent, in order; GET when left out. */
export async function openWire(port: number, methods: readonly string[] = []): Promise<Wire> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let taken = 0;
  const reader = newHttp1Reader(
    () => {},
    (index) => methods[index] ?? "GET",
  );
  const wire: Wire = {
    write: (bytes) => socket.write(bytes as string, "latin1"),
    async response() {
      const index = taken++;
      const settled = () => reader.messages[index]?.complete === true || reader.garbage !== "" || wire.closed;
      await vi.waitFor(() => expect(settled()).toBe(true), WAIT);
      if (reader.garbage !== "") throw new Error(`no response but ${JSON.stringify(reader.garbage)}`);
      if (reader.messages[index]?.complete !== true)
        throw new Error("the connection is closed before a whole response");
      return reader.messages[index] as Http1Message;
    },
    reader,
    closed: false,
    end: () => socket.destroy(),
  };
  socket.on("data", (bytes: Buffer) => reader.push(bytes));
  socket.on("error", () => {}); // the close tells
  socket.on("close", () => {
    wire.closed = true;
    reader.end();
  });
  await once(socket, "connect");
  return wire;
}

/** Of vi.waitFor, for what takes a moment. */
export const WAIT = { timeout: 10_000, interval: 5 };

/** One request on a connection of its own; `bytes` written one after the other, each in a segment of its own. */
export async function exchange(port: number, method: string, ...bytes: (string | Uint8Array)[]): Promise<Http1Message> {
  const wire = await openWire(port, [method]);
  try {
    for (const each of bytes) {
      wire.write(each);
      if (bytes.length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    let response = await wire.response();
    while (statusOf(response) < 200 && statusOf(response) !== 101) response = await wire.response();
    return response;
  } finally {
    wire.end();
  }
}

export type WireUpstream = {
  address: string;
  /** every request that has begun, over all connections */
  requests: Http1Message[];
  /** bytes that were no HTTP/1.1: what a smuggled body looks like */
  garbage(): string[];
  /** writes the answer to a request that is complete */
  respond: (request: Http1Message, socket: Socket) => void;
  /** sees a request as soon as its head is there, and every time more of it comes */
  progress: (request: Http1Message, socket: Socket) => void;
  stop(): Promise<void>;
};

export async function startWireUpstream(): Promise<WireUpstream> {
  const readers: Http1Reader[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    const seen = new Set<Http1Message>();
    const reader = newHttp1Reader((request) => {
      if (!seen.has(request)) upstream.requests.push(request);
      seen.add(request);
      upstream.progress(request, socket);
      if (request.complete) upstream.respond(request, socket);
    });
    readers.push(reader);
    socket.on("data", (bytes: Buffer) => reader.push(bytes));
    socket.on("error", () => {}); // Envoy cuts what it refuses
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const upstream: WireUpstream = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    garbage: () => readers.map((reader) => reader.garbage).filter((text) => text !== ""),
    respond: (_request, socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    progress: () => {},
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return upstream;
}

/** A body as chunks, each of them one unless it is empty, with trailers where there are any. */
export function chunked(chunks: readonly (string | Uint8Array)[], trailers: readonly string[] = []): Buffer {
  const parts: (string | Uint8Array)[] = [];
  for (const chunk of chunks) if (chunk.length > 0) parts.push(`${chunk.length.toString(16)}\r\n`, chunk, "\r\n");
  parts.push("0\r\n", ...trailers.map((line) => `${line}\r\n`), "\r\n");
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}
