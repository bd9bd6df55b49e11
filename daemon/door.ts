/** Where events come in: a server of node:http with its limits, TLS, and the two ways out. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { boundAddress, listenWith, type TlsOptions } from "../engine/runtime/listen.ts";

export type DoorOptions = {
  /** as `listen` takes it (engine/runtime/listen.ts) */
  address: string;
  /** asked for each new connection: another object is another certificate. undefined: plain text */
  tls: (() => TlsOptions) | undefined;
  /** how long a request may take to come, body included */
  requestMs: number;
  onBug(error: unknown): void;
};

export type Door = {
  /** as given, with the real port in place of 0 */
  address: string;
  /** No new connections; resolves when the last request is answered, or is cut after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
};

/**
 * Called for each request. `awaitsContinue`: the client sends its body once it is told to, with
 * `response.writeContinue()` (RFC 9110 section 10.1.1).
 */
export type OnRequest = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean) => void;

/** Headers come at once or never: who sends them byte by byte only holds a connection. */
const HEADERS_MS_MAX = 10_000;
/** An idle connection: longer than the 60 s after which most proxies and pools close theirs, or they would race us. */
const IDLE_MS = 65_000;
const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
/** How often timeouts are looked at. */
const TICK_MS = 1000;

/** Rejects with a sentence that names the address and what to do. */
export async function openDoor(options: DoorOptions, onRequest: OnRequest): Promise<Door> {
  const { requestMs } = options;
  const http: ServerOptions = {
    requestTimeout: requestMs,
    headersTimeout: Math.min(HEADERS_MS_MAX, requestMs),
    keepAliveTimeout: IDLE_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    connectionsCheckingInterval: TICK_MS,
  };
  const server = options.tls === undefined ? createServer(http) : secure(http, options.tls, options.onBug);
  server.maxHeadersCount = HEADERS_MAX;
  server.on("request", (request, response) => onRequest(request, response, false));
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connect", (_request, socket) => socket.end(NO_TUNNEL)); // without a listener its connection is dropped
  await listenWith(server, options.address, options.onBug);
  return {
    address: boundAddress(options.address, server),
    async drain(timeoutMs) {
      const gone = new Promise<void>((resolve) => server.close(() => resolve())); // idle connections close at once
      const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
      await gone;
      clearTimeout(timer);
    },
  };
}

const NO_TUNNEL = "HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

function secure(http: ServerOptions, tls: () => TlsOptions, onBug: (error: unknown) => void): Server {
  let used = tls();
  const server: TlsServer = createTlsServer({ ...http, ...withClients(used) });
  // Before node:tls has the socket: a connection that begins gets the certificate of now.
  server.prependListener("connection", (socket: Socket) => {
    const now = tls();
    if (now === used) return;
    try {
      server.setSecureContext(now);
      used = now;
    } catch (error) {
      onBug(error); // files are checked when they are read
      socket.destroy();
    }
  });
  return server;
}

function withClients(tls: TlsOptions): TlsOptions & { requestCert?: boolean; rejectUnauthorized?: boolean } {
  return tls.requestClientCert === true ? { ...tls, requestCert: true, rejectUnauthorized: true } : tls;
}
