/** `binge extproc`: the ext_proc server for Envoy. */
import { setTimeout as delay } from "node:timers/promises";
import { messageBytesMax } from "../engine/core/routes/needs.ts";
import type { Log, Runtime } from "../engine/runtime/runtime.ts";
import { type Admin, startAdmin } from "../extproc/admin.ts";
import { acceptExchanges } from "../extproc/server.ts";
import type { Listening } from "../extproc/transport.ts";
import { newTransport, TRANSPORTS, type TransportName } from "../extproc/transports.ts";
import { optionalString, readArguments, requiredString } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";
import { startOrEnd } from "./start.ts";

export const EXTPROC_HELP = `binge extproc --config FILE --listen ADDR [--admin ADDR] [--transport native|grpc-js] [--allow-spawn]
  Serves Envoy's ext_proc protocol with the routes of FILE.
  --listen ADDR    127.0.0.1:50051, [::1]:50051 or unix:/path
  --admin ADDR     /livez, /readyz and /metrics (127.0.0.1:9464)
  --transport NAME native (our own HTTP/2, the default) or grpc-js
  --allow-spawn    processes may run commands for what clients send; without it such a file is refused
  SIGTERM drains: health checks hear NOT_SERVING, open exchanges end, mirrored events are sent.`;

const OPTIONS = {
  config: { type: "string" },
  listen: { type: "string" },
  admin: { type: "string" },
  transport: { type: "string" },
  "allow-spawn": { type: "boolean" },
} as const;

export async function extproc(args: readonly string[]): Promise<number> {
  const parsed = readArguments("extproc", args, OPTIONS, false);
  const file = requiredString("extproc", parsed, "config");
  const address = requiredString("extproc", parsed, "listen");
  const name = transportName(optionalString(parsed, "transport") ?? "native");
  const configuration = requireConfiguration(file, (text) => process.stderr.write(text));
  const transport = newTransport(name, onBug, messageBytesMax(configuration.plan.routes ?? []));
  const runtime = await startOrEnd(configuration, { log, allowSpawn: parsed.values["allow-spawn"] === true });
  const listening = await open(() => transport.listen(address, acceptExchanges(runtime)), runtime);
  const adminAddress = optionalString(parsed, "admin");
  const admin =
    adminAddress === undefined ? undefined : await open(() => startAdmin(adminAddress, runtime), runtime, listening);
  const ended = terminated(); // before anybody can know of us: a SIGTERM right after the line below is one to drain for
  log("info", `ext_proc on ${listening.address}, ${describe(configuration)}`);
  if (admin !== undefined) log("info", `admin on ${admin.address}`);
  await ended;
  await drain(listening, admin, runtime);
  return Exit.ok;
}

function transportName(text: string): TransportName {
  const name = TRANSPORTS.find((known) => known === text);
  if (name !== undefined) return name;
  throw new Ending(Exit.usage, `binge extproc: --transport is ${TRANSPORTS.join(" or ")}, not "${text}"`);
}

const log: Log = (level, message) => {
  process.stderr.write(`${new Date().toISOString()} ${level} ${message}\n`);
};

function onBug(error: unknown): void {
  log("error", `a bug of ours: ${error instanceof Error ? error.stack : String(error)}`);
}

function describe({ plan }: Configuration): string {
  const routes = plan.routes;
  if (routes === undefined) return 'no traffic is bound and all of it passes: add an "http" section to bind pipelines';
  return `routes ${routes.map((route) => route.name).join(", ")}`;
}

/** Opens a door; when that fails, closes what is open already and ends with the sentence. */
async function open<T>(listen: () => Promise<T>, runtime: Runtime, listening?: Listening): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    await listening?.close();
    await runtime.close(0);
    throw new Ending(Exit.unavailable, `binge extproc: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function terminated(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}

/** Envoy's generated health check asks every second: after this it has stopped sending (facts 17.3). */
const NOTICE_MS = 1500;
const DRAIN_MS = 10_000;

async function drain(listening: Listening, admin: Admin | undefined, runtime: Runtime): Promise<void> {
  log("info", "draining");
  listening.setServing(false);
  admin?.setReady(false);
  await delay(NOTICE_MS);
  await listening.drain(DRAIN_MS);
  await runtime.close(DRAIN_MS);
  await admin?.close();
}
