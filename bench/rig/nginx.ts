/** Nginxes of `npm run bench:njs`, Debian's build, one worker each: proxying alone, a function by hand, agglo's bundle. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfiguration } from "../../cli/configuration.ts";
import { writeNginx } from "../../cli/nginx.ts";
import { findTarget, type Target } from "../../nginx/targets.ts";
import { type DebianNginx, debianNginx } from "../../tools/debian-nginx.ts";
import { MissingProgram } from "../../tools/missing-program.ts";
import { firstWorker, freePort, startNginx } from "../../tools/run-nginx.ts";
import { scratchFolder } from "./processes.ts";

export const NGINX_VARIANTS = ["proxy", "by hand", "agglo"] as const;
export type NginxVariant = (typeof NGINX_VARIANTS)[number];

export type BenchNginx = {
  address: string;
  /** of the one worker */
  worker: number;
  /** what the upstream must say of every request */
  expect: "original" | "changed";
  stop(): Promise<void>;
};

/** Three processes; the result is the one that the transport's benchmark has (bench/rig/work.ts). */
export const NJS_CONFIG = JSON.stringify({
  pipelines: [{ name: "guard", processes: [{ name: "has-items" }, { name: "cover-cards" }, { name: "mark-high" }] }],
  processDefinitions: [
    {
      filter: {
        name: "has-items",
        unless: { exists: { ops: [{ key: "items.0", op: "Exists" }] } },
        reject: { status: 422, body: { error: "no items" } },
      },
    },
    { redactor: { name: "cover-cards", rules: [{ paths: ["items[*].card"], mask: { keepLast: 4 } }] } },
    { annotator: { name: "mark-high", annotations: [{ fieldKey: "priority", value: "high" }], onExists: "overwrite" } },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "orders",
        match: { paths: ["/orders/**"], methods: ["POST"] },
        request: { pipelines: ["guard"], limits: { depth: 31 } },
      },
    ],
  },
});

/** Rejects where Debian's packages cannot be had: the other nginx is built for size, and its figures say nothing. */
export async function startBenchNginx(variant: NginxVariant, upstream: string): Promise<BenchNginx> {
  const debian = await debianNginx();
  if ("missing" in debian) throw new MissingProgram(`bench:njs needs Debian 12's nginx: ${debian.missing}.`);
  const folder = scratchFolder();
  const port = await freePort();
  await write(variant, folder, upstream, port, debian);
  const nginx = await startNginx(debian.program, folder, port);
  const worker = await firstWorker(nginx);
  const expect = variant === "proxy" ? "original" : "changed";
  return { address: `127.0.0.1:${port}`, worker, expect, stop: () => nginx.stop() };
}

async function write(
  variant: NginxVariant,
  folder: string,
  upstream: string,
  port: number,
  debian: DebianNginx,
): Promise<void> {
  const file = join(folder, "config.json");
  writeFileSync(file, NJS_CONFIG);
  const loaded = readConfiguration(file);
  if (loaded.plan === undefined) throw new Error("the benchmark's own configuration does not compile: see binge lint");
  const target = findTarget("njs-0.7.9") as Target; // it is in the list
  const options = { target, upstream, port, module: debian.module, environment: [], tees: [] };
  await writeNginx(folder, { ...loaded, plan: loaded.plan }, options);
  const main = readFileSync(join(folder, "nginx.conf"), "utf8");
  // One worker, so that its CPU is one figure; no disk comes into it.
  const quiet = main
    .replace("worker_processes auto", "worker_processes 1")
    .replace(/access_log [^;]*;/, "access_log off;");
  writeFileSync(join(folder, "nginx.conf"), quiet);
  if (variant !== "agglo") replaceByOther(variant, join(folder, "agglo"));
}

const BY_HAND = fileURLToPath(new URL("../peers/njs/by-hand.js", import.meta.url));
const PROXY = "include agglo/proxy.conf; proxy_pass http://agglo_upstream;";

function replaceByOther(variant: "proxy" | "by hand", folder: string): void {
  mkdirSync(folder, { recursive: true });
  copyFileSync(BY_HAND, join(folder, "by-hand.js"));
  const host = 'map $request_uri $agglo_host { "~^/" $http_host; default $host; }\n';
  const http = `js_path agglo/; js_import by_hand from by-hand.js; js_var $by_hand_body "";\n`;
  writeFileSync(join(folder, "http.conf"), variant === "proxy" ? host : host + http);
  const limits = "client_body_buffer_size 1m; client_max_body_size 1m; client_body_in_single_buffer on;";
  const gate = `location / { ${limits} js_content by_hand.request; }`;
  const changed = `location @changed { proxy_set_body $by_hand_body; ${PROXY} }`;
  writeFileSync(join(folder, "server.conf"), variant === "proxy" ? `location / { ${PROXY} }` : `${gate} ${changed}`);
}
