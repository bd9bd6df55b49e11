import { lstat, unlink } from "node:fs/promises";
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";

// Opening the listening socket of a server: addresses, stale socket files, and errors a user can act on.

/** What a listener that speaks TLS needs. */
export type TlsOptions = {
  /** PEM */
  cert: string | Buffer;
  key: string | Buffer;
  /** PEM of who may sign client certificates. */
  ca?: string | Buffer;
  /** Only clients with a certificate that `ca` has signed. */
  requestClientCert?: boolean;
};

/** sun_path in Linux's unix(7) has 108 bytes, the last one zero. */
const UNIX_PATH_BYTES_MAX = 107;

/**
 * Listens on "HOST:PORT", "[IPv6]:PORT" or "unix:/path"; rejects with one sentence. `onConnection` owns each socket
 * from its first moment. Errors after that (running out of file descriptors) go to `onError`.
 */
export async function listen(
  address: string,
  onConnection: (socket: Socket) => void,
  onError: (error: Error) => void,
): Promise<Server> {
  const server = createServer({ noDelay: true }, onConnection); // answers are small: Nagle would hold them back
  await listenWith(server, address, onError);
  return server;
}

/** The same for a server that is there already; node:http keeps its timeouts only when it listens itself. */
export async function listenWith(server: Server, address: string, onError: (error: Error) => void): Promise<void> {
  const options = parseAddress(address);
  try {
    await tryListen(server, options);
  } catch (error) {
    if (options.path === undefined || !(await removeStale(options.path, error))) throw explain(address, error);
    await tryListen(server, options).catch((again) => {
      throw explain(address, again);
    });
  }
  server.on("error", onError);
}

/** The address a peer can dial: as asked for, with the real port in place of 0. */
export function boundAddress(address: string, server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return address;
  return address.slice(0, address.lastIndexOf(":") + 1) + bound.port;
}

function parseAddress(address: string): ListenOptions {
  if (address.startsWith("unix:")) return parsePath(address, address.slice("unix:".length));
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new Error(`cannot listen on ${address}: expected HOST:PORT, [IPv6]:PORT or unix:/path`);
  }
  return { host: match[1] ?? (match[2] as string), port };
}

function parsePath(address: string, path: string): ListenOptions {
  if (path === "") throw new Error(`cannot listen on ${address}: expected a path after "unix:"`);
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    throw new Error(
      `cannot listen on ${address}: the path has ${bytes} bytes and a socket's may have ${UNIX_PATH_BYTES_MAX}; choose a shorter one`,
    );
  }
  return { path };
}

function tryListen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Removes what a killed process left behind; false if the path is in use, or is no socket and so not ours to delete. */
async function removeStale(path: string, error: unknown): Promise<boolean> {
  if (codeOf(error) !== "EADDRINUSE" || (await dial(path)) !== "ECONNREFUSED") return false;
  const stat = await lstat(path).catch(() => undefined); // gone meanwhile: the next attempt tells
  if (stat !== undefined && !stat.isSocket()) return false;
  await unlink(path).catch(() => undefined); // likewise
  return true;
}

/** How a connection attempt fails; undefined if somebody answers. */
function dial(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error) => resolve(codeOf(error)));
  });
}

const PORT_ADVICE: Record<string, string> = {
  EADDRINUSE: "something already listens there; stop it or choose another port",
  EACCES: "permission denied; choose a port from 1024 up",
  EADDRNOTAVAIL: "this machine has no such address; use one of its own, or 0.0.0.0 for all",
  ENOTFOUND: "the host name is unknown; use an IP address of this machine, or 0.0.0.0 for all",
};

const PATH_ADVICE: Record<string, string> = {
  EADDRINUSE: "something already listens there, or the file is no socket; stop it or choose another path",
  EACCES: "the folder does not exist, or this user may not write to it", // libuv reports ENOENT as EACCES here
};

function explain(address: string, error: unknown): Error {
  const code = codeOf(error) ?? "";
  const advice = (address.startsWith("unix:") ? PATH_ADVICE : PORT_ADVICE)[code];
  const found = error instanceof Error ? error.message : String(error);
  return new Error(`cannot listen on ${address}: ${advice === undefined ? found : `${advice} (${code})`}`, {
    cause: error,
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
