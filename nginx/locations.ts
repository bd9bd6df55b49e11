/** The server part: the gate in front of routes, and a location per route behind it. */
import { isStreamType } from "../engine/core/body/format.ts";
import { writtenHeaders } from "../engine/core/routes/header-writes.ts";
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";
import { block, comment, quotedPattern } from "./directives.ts";
import { globPattern } from "./globs.ts";
import type { Tee } from "./tees.ts";

export function serverConfig(routes: readonly RoutePlan[], tees: readonly Tee[], zones: boolean): string {
  const lines = [
    ...comment("Written by `binge nginx`. Include it in a server { } block; agglo/http.conf belongs in http { }."),
    "",
    ...gate(routes),
    "",
    ...block("location @agglo_large", ["js_content agglo.large;"]),
    "",
    ...comment("Traffic of no route."),
    ...block("location @agglo_none", PLAIN),
    "",
    ...routes.flatMap(routeLocations),
    ...tees.flatMap(teeLocation),
    ...comment("What is counted, for operators."),
    ...block("location = /agglo_status", ["allow 127.0.0.1;", "allow ::1;", "deny all;", "js_content agglo.status;"]),
  ];
  if (zones && tees.some((tee) => tee.way === "queue")) {
    lines.push("", ...comment("Sends what is queued; one worker does."));
    lines.push(...block("location @agglo_flush", ["js_periodic agglo.flush interval=1s;", "js_fetch_timeout 2s;"]));
  }
  return `${lines.join("\n")}\n`;
}

const PLAIN = ["include agglo/proxy.conf;", "proxy_pass http://agglo_upstream;"];

function gate(routes: readonly RoutePlan[]): string[] {
  const sections = routes.map((route) => route.request).filter((section) => section !== undefined);
  const largest = Math.max(8192, ...sections.map((section) => section.limits.bodyBytes));
  const allPass = routes.some((route) => route.request === undefined || route.request.onFault.tooLarge === null);
  const lines = [
    "# A body up to the largest limit is kept in memory; a larger one is a file to nginx, and the fault tooLarge.",
    `client_body_buffer_size ${largest};`,
    "client_body_in_single_buffer on;",
    allPass
      ? "client_max_body_size 0; # some route lets large bodies pass"
      : `client_max_body_size ${2 * largest + 65_536};`,
    "error_page 413 = @agglo_large;",
    ...(routes.some((route) => route.gateway) ? ["absolute_redirect off; # a Location stays as it came"] : []),
    "js_content agglo.request;",
  ];
  const pattern = pathsPattern(routes);
  const note = "Requests that may be a route's: agglo matches them as they came, and sends them on.";
  if (pattern === undefined) return [...comment(note), ...block("location /", lines)];
  return [
    ...comment("Traffic that no route can mean never meets agglo."),
    ...block("location /", PLAIN),
    "",
    ...comment(`${note}\nA ";" or "\\" may hide one from nginx, so such paths are looked at too.`),
    ...block(`location ~ ${quotedPattern(pattern)}`, lines),
  ];
}

/** undefined: any path may be a route's. */
function pathsPattern(routes: readonly RoutePlan[]): string | undefined {
  if (routes.some((route) => route.match.paths.length === 0)) return undefined;
  // nginx has decoded the path and taken empty, `.` and `..` segments out.
  const globs = routes.flatMap((route) => route.match.paths.map((glob) => globPattern(glob, "[^/]")));
  return `^(?:${[...new Set(globs)].join("|")})$|[;\\x5c]`;
}

function routeLocations(route: RoutePlan): string[] {
  const lines = [...comment(describe(route))];
  const changes = route.request?.changesBody === true || route.request?.pipelines.length !== 0;
  if (route.gateway) {
    const path = `/agglo_gateway/${route.name}`;
    const held = ["internal;", ...heldResponse(route.response), ...proxied(route)];
    const whole = "proxy_pass http://agglo_upstream$request_uri;";
    lines.push(...block(`location = ${path}`, [...held, whole]));
    if (changes) lines.push(...block(`location = ${path}/body`, [...held, "proxy_set_body $agglo_body;", whole]));
    return [...lines, ""];
  }
  const location = [...filters(route.response), ...proxied(route)];
  const pass = "proxy_pass http://agglo_upstream;";
  lines.push(...block(`location @agglo_${route.name}`, [...location, pass]));
  if (changes) {
    lines.push(...block(`location @agglo_${route.name}_body`, [...location, "proxy_set_body $agglo_body;", pass]));
  }
  return [...lines, ""];
}

function describe(route: RoutePlan): string {
  const paths = route.match.paths.map((glob) => glob.text).join(", ");
  return `Route ${route.name}: ${paths === "" ? "any path" : paths}${route.gateway ? ", its responses held whole" : ""}`;
}

function heldResponse(section: SectionPlan | undefined): string[] {
  const bytes = (section?.limits.bodyBytes ?? 1_048_576) + 65_536;
  return ["# A response over this is cut off: a gateway holds all of it.", `subrequest_output_buffer_size ${bytes};`];
}

function filters(section: SectionPlan | undefined): string[] {
  if (section === undefined) return [];
  const lines = [
    "sendfile off; # njs before 0.9.5 loses what sendfile sends",
    "js_header_filter agglo.head;",
    "js_body_filter agglo.body buffer_type=buffer;",
  ];
  if (section.contentTypes.some(isStreamType)) lines.push("proxy_buffering off; # events go on as they come");
  return lines;
}

function proxied(route: RoutePlan): string[] {
  const lines = ["include agglo/proxy.conf;"];
  const names = route.request === undefined ? [] : writtenHeaders(route.request);
  for (const [i, name] of names.entries()) lines.push(`proxy_set_header ${name} $agglo_header_${i};`);
  if ((route.response?.pipelines.length ?? 0) === 0) return lines;
  lines.push("# The response is to come whole and uncoded.");
  for (const name of ["Accept-Encoding", "Range", "If-Range"]) lines.push(`proxy_set_header ${name} "";`);
  return lines;
}

function teeLocation(tee: Tee): string[] {
  if (tee.way !== "subrequest") return [];
  const url = new URL(tee.target); // the loader has read it
  const lines = [
    "internal;",
    "# Nothing of the client's request goes along but the copy.",
    "proxy_pass_request_headers off;",
    "proxy_set_header Content-Type application/json;",
    "proxy_set_header Idempotency-Key $arg_id;",
    `proxy_set_header Host ${url.host};`,
    "proxy_set_header User-Agent agglo;",
    ...authorization(url),
    "proxy_http_version 1.1;",
    'proxy_set_header Connection "";',
    "proxy_connect_timeout 1s;",
    "proxy_read_timeout 2s;",
    ...(url.protocol === "https:" ? TLS : []),
    "# A line for each copy that did not arrive.",
    "log_subrequest on;",
    "access_log logs/agglo-dropped.log agglo_dropped if=$agglo_is_dropped;",
    `proxy_pass ${url.protocol}//${url.host}${url.pathname}${url.search};`,
  ];
  return [...comment(`Copies for ${tee.system}`), ...block(`location = ${tee.to}`, lines), ""];
}

const TLS = [
  "proxy_ssl_server_name on;",
  "proxy_ssl_verify on;",
  "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;",
];

function authorization(url: URL): string[] {
  if (url.username === "" && url.password === "") return [];
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return [`proxy_set_header Authorization "Basic ${Buffer.from(pair).toString("base64")}";`];
}
