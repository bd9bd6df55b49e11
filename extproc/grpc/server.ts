import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type SecureContextOptions } from "node:tls";
import { boundAddress, listen, type TlsOptions } from "../../engine/runtime/listen.ts";
import { Connection } from "../http2/connection.ts";
import type { Http2Limits } from "../http2/limits.ts";
import { GrpcConnection, type GrpcLimits, type Methods } from "./grpc-connection.ts";

export type GrpcServerOptions = {
  /** Asked for each new connection: another object is another certificate. undefined: plain text. */
  tls: (() => TlsOptions) | undefined;
  http2: Http2Limits;
  grpc: GrpcLimits;
  onBug: (error: unknown) => void;
};

/** A client that does not finish its handshake holds a socket and nothing else, but not for long. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often connections look at their timeouts: four times within the shortest, and not more often than useful. */
const TICK_MS_MAX = 1000;
const TICKS_PER_TIMEOUT = 4;

/** A listening gRPC server: sockets, TLS, the clock, and the two ways out. */
export class GrpcServer {
  readonly address: string;
  private readonly door: Server;
  private readonly sockets: Set<Socket>;
  private readonly connections: Set<Connection>;
  private readonly gone: Promise<void>;
  private draining = false;

  /** Rejects with a sentence that names the address and what to do. */
  static async listen(address: string, methods: Methods, options: GrpcServerOptions): Promise<GrpcServer> {
    const sockets = new Set<Socket>();
    const connections = new Set<Connection>();
    let server: GrpcServer | undefined;
    const open = (duplex: Duplex) => {
      const handler = new GrpcConnection(methods, options.grpc, (gone) => connections.delete(gone));
      const connection = new Connection(duplex, handler, options.http2);
      connections.add(connection);
      if (server?.draining === true) connection.drain(); // its TLS handshake took that long
    };
    const secure = options.tls === undefined ? open : tlsOpener(options.tls, open);
    const onSocket = (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => {}); // under TLS it has no other listener, and 'close' follows
      secure(socket);
    };
    const door = await listen(address, onSocket, options.onBug);
    server = new GrpcServer(boundAddress(address, door), door, sockets, connections, options.http2);
    return server;
  }

  private constructor(
    address: string,
    door: Server,
    sockets: Set<Socket>,
    connections: Set<Connection>,
    limits: Http2Limits,
  ) {
    this.address = address;
    this.door = door;
    this.sockets = sockets;
    this.connections = connections;
    const shortestMs = Math.min(limits.prefaceTimeoutMs, limits.keepaliveMs, limits.keepaliveTimeoutMs);
    const tickMs = Math.max(1, Math.min(TICK_MS_MAX, shortestMs / TICKS_PER_TIMEOUT));
    const clock = setInterval(() => this.tick(), tickMs);
    clock.unref();
    this.gone = new Promise((resolve) => {
      door.once("close", () => {
        clearInterval(clock);
        resolve();
      });
    });
  }

  /** No new connections, GOAWAY; resolves when the last one has closed, of its own accord or cut after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.draining = true;
    this.door.close();
    for (const connection of this.connections) connection.drain();
    const timer = setTimeout(() => this.cut(), timeoutMs);
    await this.gone;
    clearTimeout(timer);
  }

  /** Cuts everything; resolves when no connection is left. */
  async close(): Promise<void> {
    this.draining = true;
    this.door.close();
    this.cut();
    await this.gone;
  }

  /** Streams open now, over all connections. */
  get streamsActive(): number {
    let active = 0;
    for (const connection of this.connections) active += connection.streamsActive;
    return active;
  }

  private cut(): void {
    for (const connection of this.connections) connection.destroy();
    for (const socket of this.sockets) socket.destroy(); // in the middle of a TLS handshake
  }

  private tick(): void {
    const nowMs = performance.now();
    for (const connection of this.connections) connection.tick(nowMs);
  }
}

/** TLS over sockets that we accept, for HTTP/2 and nothing else (RFC 9113 section 3.2: ALPN "h2"). */
function tlsOpener(current: () => TlsOptions, open: (duplex: Duplex) => void): (socket: Socket) => void {
  let tls = current();
  const server = createTlsServer({
    ...secureContext(tls),
    requestCert: tls.requestClientCert === true,
    rejectUnauthorized: tls.requestClientCert === true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol === "h2") open(socket);
    else socket.destroy(); // it asked for nothing by ALPN, so it is no HTTP/2 client
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy()); // the peer's fault, and it has been told
  return (socket) => {
    const now = current();
    if (now !== tls) server.setSecureContext(secureContext(now));
    tls = now;
    server.emit("connection", socket);
  };
}

function secureContext({ cert, key, ca }: TlsOptions): SecureContextOptions {
  const minVersion = "TLSv1.2"; // RFC 9113 section 9.2
  return ca === undefined ? { cert, key, minVersion } : { cert, key, ca, minVersion };
}
