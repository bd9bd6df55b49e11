/**
 * The admin port: liveness, readiness, metrics, the configuration in use, and reloading it. For operators only, so it
 * listens where it is told and nowhere else.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Reload } from "./generations.ts";
import { boundAddress, listenWith } from "./listen.ts";

export type Admin = { address: string; close(): Promise<void> };

/** What the admin port shows of a server, be it one process or several. */
export type Administered = {
  /** whether it takes traffic: one process at least does; false while it drains */
  isReady(): boolean;
  /** Prometheus' text format */
  metrics(): Promise<string>;
  /** the configuration in use, without secrets */
  configuration(): Promise<string>;
  reload(): Promise<Reload>;
  /** further pages, by path */
  pages?: { readonly [path: string]: AdminPage };
};

/** `text` as it is sent; its type is plain text unless it says another. */
export type AdminAnswer = { status: number; text: string; type?: string };

/** Answers a GET of a page that one kind of server alone has. */
export type AdminPage = (query: URLSearchParams) => Promise<AdminAnswer>;

export async function startAdmin(address: string, administered: Administered): Promise<Admin> {
  const server = createServer((request, response) => {
    answerTo(request, administered).then(
      (answer) => send(response, answer),
      (error: unknown) => send(response, { status: 500, text: `${error instanceof Error ? error.message : error}\n` }),
    );
  });
  await listenWith(server, address, () => {});
  return { address: boundAddress(address, server), close: () => close(server) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

const PATHS = ["/livez", "/readyz", "/metrics", "/config", "/-/reload"];

async function answerTo(request: IncomingMessage, administered: Administered): Promise<AdminAnswer> {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const pages = administered.pages ?? {};
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined && !PATHS.includes(path)) {
    return { status: 404, text: `there are ${[...PATHS, ...Object.keys(pages)].join(", ")}\n` };
  }
  const method = path === "/-/reload" ? "POST" : "GET";
  if (request.method !== method) return { status: 405, text: `only ${method}\n` };
  // A page in an operator's browser can post here too: nobody else sends this header.
  if (request.headers.origin !== undefined) return { status: 403, text: "not for web pages\n" };
  if (page !== undefined) return page(new URLSearchParams(query));
  switch (path) {
    case "/livez":
      return { status: 200, text: "ok\n" };
    case "/readyz":
      return administered.isReady() ? { status: 200, text: "ok\n" } : { status: 503, text: "draining\n" };
    case "/metrics":
      return { status: 200, text: await administered.metrics(), type: "text/plain; version=0.0.4; charset=utf-8" };
    case "/config":
      return { status: 200, text: await administered.configuration(), type: "application/json" };
    default:
      return reloaded(await administered.reload());
  }
}

const RELOAD_STATUS: { readonly [outcome in Reload["outcome"]]: number } = { applied: 200, waiting: 202, refused: 422 };

function reloaded({ outcome, generation, message }: Reload): AdminAnswer {
  const text = `${JSON.stringify({ outcome, generation, message }, null, 2)}\n`;
  return { status: RELOAD_STATUS[outcome], text, type: "application/json" };
}

function send(response: ServerResponse, { status, text, type }: AdminAnswer): void {
  response.writeHead(status, { "content-type": type ?? "text/plain; charset=utf-8" });
  response.end(text);
}
