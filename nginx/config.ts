/** The nginx configuration around the bundle: what stands in http { }, and a whole nginx.conf to start with. */
import { writtenHeaders } from "../engine/core/routes/header-writes.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { block, comment, quoted } from "./directives.ts";
import type { Target } from "./targets.ts";
import type { Tee } from "./tees.ts";
import { usualRoutes } from "./usual-routes.ts";

export type NginxOptions = {
  target: Target;
  /** HOST:PORT or unix:/path */
  upstream: string;
  port: number;
  /** of njs, where it is not built in; "" */
  module: string;
  /** environment variables that hold keys */
  environment: readonly string[];
  tees: readonly Tee[];
};

/** What belongs in http { }. */
export function httpConfig(routes: readonly RoutePlan[], options: NginxOptions): string {
  const headers = Math.max(0, ...routes.map((route) => (route.request ? writtenHeaders(route.request).length : 0)));
  const logs = options.tees.filter((tee) => tee.way === "log");
  const lines = [
    ...comment("Written by `binge nginx`. Include it in http { }; agglo/server.conf belongs in a server { } of it."),
    ...comment("Relative paths are looked up under nginx's prefix (nginx -p): write full ones elsewhere."),
    ...(options.target.flavour === "qjs" ? ["js_engine qjs;"] : []),
    "js_path agglo/;",
    "js_import agglo from agglo.js;",
    'js_var $agglo_route ""; # the index of its route where $agglo_usual has none, found once per exchange',
    'js_var $agglo_body ""; # the request body that goes on in place of the one that came',
    'js_var $agglo_verdict ""; # for a log format of yours: route, direction, verdict, rule of what did not just pass',
    ...Array.from({ length: headers }, (_, i) => `js_var $agglo_header_${i} "";`),
    ...logs.map((tee) => `js_var $${tee.to} "";`),
    ...logs.map((tee) => `log_format ${tee.to} escape=none '$${tee.to}';`),
    ...(options.target.zones ? ZONES : []),
    ...(options.tees.some((tee) => tee.way === "subrequest") ? DROPPED : []),
    "",
    ...comment("The host that rules are matched on: of `GET http://host/path` it is the line's, as upstreams see it."),
    ...block("map $request_uri $agglo_host", ['"~^/" $http_host;', "default $host;"]),
    "",
    ...usualRoutes(routes),
  ];
  return `${lines.join("\n")}\n`;
}

const ZONES = [
  "",
  "# Memory that the workers share. Counters keep what they have when theirs is full.",
  "js_shared_dict_zone zone=agglo_counters:1m type=number;",
  "js_shared_dict_zone zone=agglo_state:8m type=number;",
  "js_shared_dict_zone zone=agglo_queue:32m;",
];

const DROPPED = [
  "",
  "log_format agglo_dropped '$time_iso8601 $uri $upstream_status $arg_id';",
  ...block("map $upstream_status $agglo_is_dropped", ['~^2 "";', "default 1;"]),
];

/** Access logs that are the copies; with them in a server { }, logs of http { } have to be named there again. */
function logLines(tees: readonly Tee[]): string[] {
  return tees
    .filter((tee) => tee.way === "log")
    .map(({ system, to, target }) => {
      const file = quoted(`${target}/${system.replace(/[^A-Za-z0-9._-]/g, "_")}.ndjson`);
      return `access_log ${file} ${to} buffer=64k flush=1s if=$${to};`;
    });
}

/** How requests go on; a file of its own, since it is the user's to change. */
export function proxyConfig(): string {
  return [
    ...comment("How requests go on to the upstream. Yours to change; `binge nginx` writes it once."),
    "proxy_http_version 1.1;",
    'proxy_set_header Connection "";',
    "proxy_set_header Host $agglo_host;",
    "",
  ].join("\n");
}

/** A complete nginx.conf that needs no root: everything it writes is under its own folder. */
export function nginxConf(options: NginxOptions): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path tmp/${name};`);
  const server = [
    `listen 127.0.0.1:${options.port};`,
    "access_log logs/access.log;",
    ...logLines(options.tees),
    "include agglo/server.conf;",
  ];
  const http = [
    ...paths,
    "include agglo/http.conf;",
    ...block("upstream agglo_upstream", [`server ${options.upstream};`, "keepalive 32;"]),
    ...block("server", server),
  ];
  return `${[
    ...comment(
      `Written by \`binge nginx\` for ${options.target.name}. Start it in its folder: nginx -p . -c nginx.conf`,
    ),
    ...(options.module === "" ? [] : [`load_module ${options.module};`]),
    "worker_processes auto;",
    "daemon off;",
    "pid tmp/nginx.pid;",
    "error_log stderr warn;",
    ...options.environment.map((name) => `env ${name};`),
    ...block("events", ["worker_connections 1024;"]),
    ...block("http", http),
  ].join("\n")}\n`;
}
