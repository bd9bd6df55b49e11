/** `binge serve`: a port of its own that takes events. */
import { resolve } from "node:path";
import { type ServeOptions, type Serving, serve as startDaemon } from "../daemon/serve.ts";
import { nodeDisk } from "../engine/runtime/durable-log/node-disk.ts";
import { type Arguments, bytes, count, optionalString, readArguments } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";
import { runServer } from "./server.ts";
import { SERVER_OPTIONS, serverSettings } from "./server-settings.ts";

export const SERVE_HELP = `binge serve --config FILE [--listen ADDR] [--admin ADDR]
  Takes events posted as JSON (an object, or an array of them) or NDJSON, runs every pipeline of FILE on each and answers
  200 "Success" when all have ended well; else which pipeline failed on which event, and why (as a problem document where
  JSON is accepted). POST …?output=1 gets the final events.
  --listen ADDR    127.0.0.1:8080 (the default), [::1]:8080 or unix:/path
  --path PATH      where events are posted to (/binge)
  --token REF      \${env:NAME} or \${file:/path}: senders need "authorization: Bearer" with this
  --body-limit SIZE    of a body, and of what it decodes to (4MiB)
  --in-flight N    requests at once (1024); more hear 503 and when to come again, and so does who finds no memory left
  --request-timeout S  seconds that a request may take to come (30)
  --durable DIR    200 says that the event is on disk, in a queue in DIR; it is run then, at least once, and forgotten when
                   all pipelines have ended well. No room on the disk is 503. /queue of the admin port shows it
  --workers N      events of the queue that run at once (16); taken in order, and with 1 run strictly in order
  --retries N      tries after the first (10), each after a longer pause of 1 s to a minute; then, or at once when a filter
                   refuses it, an event goes to DIR's dead-letter file with the reason
  --maintenance-path PATH  the admin pages /checkpoints and /queue are under this path too, as the original has them
  Options that it shares with extproc: --tls-cert, --tls-key, --tls-client-ca, --admin (also /checkpoints?messageId=ID),
  --drain-timeout, --log-format, --log-level, --threads, --memory, --allow-spawn; it reloads alike.`;

const OPTIONS = {
  ...SERVER_OPTIONS,
  listen: { type: "string" },
  path: { type: "string" },
  token: { type: "string" },
  "body-limit": { type: "string" },
  "in-flight": { type: "string" },
  "request-timeout": { type: "string" },
  durable: { type: "string" },
  workers: { type: "string" },
  retries: { type: "string" },
  "maintenance-path": { type: "string" },
} as const;

const LISTEN = "127.0.0.1:8080";
const PATH = "/binge";
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const IN_FLIGHT = 1024;
const REQUEST_SECONDS = 30;
const WORKERS = 16;
const WORKERS_MAX = 1024;
/** For a thread. Senders do not wait much longer for an answer. */
const THREAD_WAIT_MS = 30_000;
const RETRIES = 10;
const PAUSE_MS = 1000;

export async function serve(args: readonly string[]): Promise<number> {
  const parsed = readArguments("serve", args, OPTIONS, false);
  const settings = serverSettings("serve", parsed);
  const address = optionalString(parsed, "listen") ?? LISTEN;
  const path = pathOf("path", optionalString(parsed, "path") ?? PATH);
  const maintenance = optionalString(parsed, "maintenance-path");
  if (maintenance !== undefined) pathOf("maintenance-path", maintenance);
  const bodyBytesMax = bytes("serve", parsed, "body-limit", BODY_BYTES_MAX, 1024);
  const inProgressMax = count("serve", parsed, "in-flight", IN_FLIGHT, 1_000_000);
  const requestMs = 1000 * count("serve", parsed, "request-timeout", REQUEST_SECONDS, 3600);
  const queue = queueOf(parsed);
  return runServer<Serving>({
    verb: "serve",
    settings,
    source: { read: {}, token: optionalString(parsed, "token"), applied: () => {} },
    logFields: {},
    hasAdmin: true,
    // What bodies may hold is the memory's to say; whoever posts many large ones waits his turn.
    poolLimits: { waitMs: THREAD_WAIT_MS, heldBytesMax: settings.memoryBytes },
    start: (host, { tls, token }, onBug) =>
      startDaemon({ ...host, address, path, tls, token, bodyBytesMax, inProgressMax, requestMs, queue, onBug }),
    describe: ({ address: bound }) => [
      `events on ${bound}, POST ${path}${queue === undefined ? "" : `, kept in ${queue.dir}`}`,
    ],
    administered: ({ pages }) => ({ pages: { ...pages, ...under(maintenance, pages) } }),
    ready: () => {},
    orphaned: undefined,
  });
}

function queueOf(parsed: Arguments): ServeOptions["queue"] {
  const dir = optionalString(parsed, "durable");
  if (dir !== undefined) {
    const workers = count("serve", parsed, "workers", WORKERS, WORKERS_MAX);
    const retries = retriesOf(optionalString(parsed, "retries"));
    return { dir: resolve(dir), disk: nodeDisk(), workers, retries, pauseMs: PAUSE_MS };
  }
  for (const option of ["workers", "retries"]) {
    if (optionalString(parsed, option) === undefined) continue;
    throw new Ending(Exit.usage, `binge serve: --${option} is about the queue of --durable; see binge --help`);
  }
  return undefined;
}

function retriesOf(text: string | undefined): number {
  if (text === undefined || /^\d{1,6}$/.test(text)) return text === undefined ? RETRIES : Number(text);
  throw new Ending(Exit.usage, `binge serve: --retries is a number from 0 to 999999, not "${text}"`);
}

function pathOf(option: string, text: string): string {
  if (/^\/[\x21-\x7e]*$/.test(text) && !/[?#]/.test(text)) return text;
  throw new Ending(Exit.usage, `binge serve: --${option} is a path that begins with /, not "${text}"`);
}

function under<Page>(path: string | undefined, pages: { readonly [path: string]: Page }): { [path: string]: Page } {
  if (path === undefined) return {};
  return Object.fromEntries(
    Object.entries(pages).map(([page, answer]) => [`${path.replace(/\/$/, "")}${page}`, answer]),
  );
}
