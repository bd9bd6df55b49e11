/** Nginxes of the benchmark, Debian's build, one worker each: proxying alone, a function by hand, agglo's bundle. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfiguration } from "../../cli/configuration.ts";
import { writeNginx } from "../../cli/nginx.ts";
import { findTarget, type Target } from "../../nginx/targets.ts";
import type { DebianNginx } from "../../tools/debian-nginx.ts";
import { firstWorker, freePort, startNginx } from "../../tools/run-nginx.ts";
import type { BenchProxy } from "./envoy.ts";
import { scratchFolder } from "./processes.ts";
import type { Work } from "./work.ts";

export type NginxVariant = "nginx" | "nginx-njs" | "nginx-hand";

/** All three have the configuration that `binge nginx` writes, less the script or with another one. */
export async function startBenchNginx(
  debian: DebianNginx,
  variant: NginxVariant,
  work: Work,
  upstream: string,
): Promise<BenchProxy> {
  const folder = scratchFolder();
  const port = await freePort();
  await writeBundle(folder, work, { upstream, port, module: debian.module });
  if (variant !== "nginx-njs") replaceByOther(variant, work, join(folder, "agglo"));
  const nginx = await startNginx(debian.program, folder, port);
  const pid = await firstWorker(nginx);
  return { pid, address: `127.0.0.1:${port}`, stop: () => nginx.stop(), extProcStat: async () => 0 };
}

type Place = { upstream: string; port: number; module: string };

async function writeBundle(folder: string, work: Work, place: Place): Promise<void> {
  const file = join(folder, "config.json");
  writeFileSync(file, work.config);
  const loaded = readConfiguration(file);
  if (loaded.plan === undefined) throw new Error("the benchmark's own configuration does not compile: see binge lint");
  const target = findTarget("njs-0.7.9") as Target; // it is in the list
  await writeNginx(folder, { ...loaded, plan: loaded.plan }, { ...place, target, environment: [], tees: [] });
  const main = readFileSync(join(folder, "nginx.conf"), "utf8");
  // One worker, so that its CPU is one figure; no disk comes into it.
  const quiet = main
    .replace("worker_processes auto", "worker_processes 1")
    .replace(/access_log [^;]*;/, "access_log off;");
  writeFileSync(join(folder, "nginx.conf"), quiet);
}

const BY_HAND = fileURLToPath(new URL("../peers/njs/by-hand.js", import.meta.url));
const PROXY = "include agglo/proxy.conf; proxy_pass http://agglo_upstream;";

function replaceByOther(variant: NginxVariant, work: Work, folder: string): void {
  copyFileSync(BY_HAND, join(folder, "by-hand.js"));
  const host = 'map $request_uri $agglo_host { "~^/" $http_host; default $host; }\n';
  const http = `js_path agglo/; js_import by_hand from by-hand.js; js_var $by_hand_body "";\n`;
  writeFileSync(join(folder, "http.conf"), variant === "nginx" ? host : host + http);
  const limits = "client_body_buffer_size 1m; client_max_body_size 1m; client_body_in_single_buffer on;";
  const gate = `location / { ${limits} js_content by_hand.${work.name === "guard" ? "guard" : "mark"}; }`;
  const changed = `location @changed { proxy_set_body $by_hand_body; ${PROXY} }`;
  writeFileSync(join(folder, "server.conf"), variant === "nginx" ? `location / { ${PROXY} }` : `${gate} ${changed}`);
}
