/** An nginx around a configuration that a test writes, in front of an upstream: what `binge nginx` wrote, started. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfiguration } from "../../../cli/configuration.ts";
import { writeNginx } from "../../../cli/nginx.ts";
import { printDiagnostics } from "../../../engine/config/print.ts";
import type { NginxOptions } from "../../../nginx/config.ts";
import { environmentOf, teesOf } from "../../../nginx/parts.ts";
import { findTargetRefusals } from "../../../nginx/refusals.ts";
import { findTarget } from "../../../nginx/targets.ts";
import { debianNginx } from "../../../tools/debian-nginx.ts";
import { nginxPath } from "../../../tools/programs.ts";
import { freePort, type RunningNginx, startNginx } from "../../../tools/run-nginx.ts";
import { type Respond, startUpstream, type Upstream } from "../../../tools/start/upstream.ts";
import { type Client, newClient } from "../envoy/client.ts";

export type NginxStack = {
  nginx: RunningNginx;
  upstream: Upstream;
  client: Client;
  folder: string;
  /** what is counted, of targets that count */
  status(): Promise<{ counters: { [name: string]: number }; aggregations: { [name: string]: number }; queued: number }>;
  stop(): Promise<void>;
};

type Program = { program: string; module: string };

/** The targets that can be started here, each with its program. Debian's is required where CI is. */
export async function targetsHere(): Promise<{ target: string; program: Program }[]> {
  const wheel = { target: "njs-0.9.9", program: { program: await nginxPath(), module: "" } };
  const debian = await debianNginx();
  if ("program" in debian) return [wheel, { target: "njs-0.7.9", program: debian }, ...others()];
  if (process.env.CI !== undefined && debian.expected) {
    throw new Error(`Debian's nginx 1.22.1 is required in CI: ${debian.missing}`);
  }
  return [wheel, ...others()];
}

/** What $NGINX_OTHERS names, `TARGET=FOLDER,…`: folders that tools/other-nginx.sh made. */
function others(): { target: string; program: Program }[] {
  const named = (process.env.NGINX_OTHERS ?? "").split(",").filter((pair) => pair !== "");
  return named.map((pair) => {
    const [target = "", folder = ""] = pair.split("=");
    const module = join(folder, "usr/lib/nginx/modules/ngx_http_js_module.so");
    return { target, program: { program: join(folder, "nginx"), module } };
  });
}

export type StackOptions = {
  respond?: Respond;
  /** changes the texts that `binge nginx` wrote, by file */
  change?: (name: string, text: string) => string;
};

export async function startNginxStack(
  config: object,
  { target, program }: { target: string; program: Program },
  options: StackOptions = {},
): Promise<NginxStack> {
  const folder = await mkdtemp(join(tmpdir(), "agglo-nginx-"));
  const upstream = await startUpstream(options.respond);
  const port = await freePort();
  await writeAll(config, folder, target, { upstream: upstream.address, port, module: program.module });
  for (const name of ["nginx.conf", "agglo/http.conf", "agglo/server.conf", "agglo/agglo.js"]) {
    if (options.change !== undefined) await changeFile(join(folder, name), name, options.change);
  }
  const nginx = await startNginx(program.program, folder, port);
  const client = newClient(port, 4);
  return {
    nginx,
    upstream,
    client,
    folder,
    async status() {
      const { body } = await client.ask({ method: "GET", path: "/agglo_status" });
      return JSON.parse(body.toString());
    },
    async stop() {
      client.close();
      await nginx.stop();
      await upstream.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeAll(
  config: object,
  folder: string,
  targetName: string,
  own: Pick<NginxOptions, "upstream" | "port" | "module">,
): Promise<void> {
  const file = join(folder, "config.json");
  await writeFile(file, JSON.stringify(config));
  const loaded = readConfiguration(file);
  const target = findTarget(targetName);
  if (target === undefined) throw new Error(`there is no target ${targetName}`);
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document, {}));
  const refusals = findTargetRefusals(loaded, loaded.plan, target);
  if (refusals.length > 0) throw new Error(printDiagnostics(refusals, loaded.document, {}));
  const configuration = { ...loaded, plan: loaded.plan };
  const tees = teesOf(loaded, target);
  await writeNginx(folder, configuration, { ...own, target, tees, environment: environmentOf(loaded.plan) });
}

async function changeFile(path: string, name: string, change: NonNullable<StackOptions["change"]>): Promise<void> {
  await writeFile(path, change(name, await readFile(path, "utf8")));
}
