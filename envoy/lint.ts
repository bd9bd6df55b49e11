/**
 * `binge lint --envoy`: what in an Envoy configuration lets traffic around a rule, makes errors of agglo's answers, or
 * invites request smuggling. Observed on Envoy 1.40; the routes say what guards, and where they are not known, everything
 * that no mark of `binge envoy` speaks for is taken to.
 */
import { complain, type Diagnostic, type DocumentPath, newReport, type Report } from "../engine/core/diagnostic.ts";
import { needs, ROUTE_MARK } from "../engine/core/routes/needs.ts";
import type { RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";

type Node = { readonly [key: string]: unknown };

/** `config`: an Envoy bootstrap, or any part of one, as YAML and JSON mean it. `routes` undefined: not known. */
export function lintEnvoy(config: unknown, routes: readonly RoutePlan[] | undefined): Diagnostic[] {
  const report = newReport();
  const filters = new Map<string, Filter>();
  walk(config, [], (node, path) => {
    if (typeOf(node) === "ExternalProcessor") {
      const name = nameOf(config, path);
      filters.set(name, { node, path });
      lintFilter(node, path, report);
      lintUse({ filter: node, filterPath: path, overrides: {}, path }, routes, report);
    }
    for (const [key, list] of Object.entries(node)) {
      if (Array.isArray(list) && snakeCase(key) === "http_filters") lintOrder(list, [...path, key], report);
    }
  });
  walk(config, [], (node, path) => {
    if (typeOf(node) !== "ExtProcPerRoute") return;
    const overrides = objectAt(node, "overrides");
    const filter = filters.get(String(path.at(-1)));
    if (overrides === undefined || field(node, "disabled") === true) return;
    lintUse(
      { filter: filter?.node ?? {}, filterPath: filter?.path ?? path, overrides, path: [...path, "overrides"] },
      routes,
      report,
    );
  });
  if (filters.size === 0) {
    complain(report, "E_ENVOY", [], "there is no ext_proc filter in it", 'see what "binge envoy" prints');
  }
  return report.diagnostics;
}

type Filter = { node: Node; path: DocumentPath };

/** A filter as it is at one place: by itself, or as a route has it. */
type Use = { filter: Node; filterPath: DocumentPath; overrides: Node; path: DocumentPath };

// --- what holds wherever the filter is used -----------------------------------------------------------------------------

function lintFilter(node: Node, path: DocumentPath, report: Report): void {
  const refuse = (name: string, message: string, remedy: string) =>
    complain(report, "E_ENVOY", pathOf(node, path, name), message, remedy);
  if (field(node, "allow_content_length_header") === true) {
    const message = "keeps a content-length that the body in place of the first one contradicts: request smuggling";
    refuse("allow_content_length_header", message, "leave it out");
  }
  if (field(node, "disable_immediate_response") === true) {
    refuse("disable_immediate_response", "makes an error 500 of every refusal", "leave it out");
  }
  const rules = objectAt(node, "mutation_rules") ?? {};
  if (field(rules, "disallow_is_error") === true) {
    const at = pathOf(rules, pathOf(node, path, "mutation_rules"), "disallow_is_error");
    complain(report, "E_ENVOY", at, "makes an error 500 of a header that may not be written", "leave it out");
  }
  if (field(node, "observability_mode") !== true) lintNamespaces(node, path, report);
}

function lintNamespaces(node: Node, path: DocumentPath, report: Report): void {
  const receiving = objectAt(objectAt(node, "metadata_options") ?? {}, "receiving_namespaces") ?? {};
  const untyped = field(receiving, "untyped");
  if (Array.isArray(untyped) && untyped.includes("agglo")) return;
  const remedy = "say metadata_options: { receiving_namespaces: { untyped: [agglo] } }";
  complain(report, "W_ENVOY", path, "verdicts do not reach the access log", remedy);
}

// --- what depends on the modes and on the rules -------------------------------------------------------------------------

const BODY_MODES = ["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED", "GRPC"];
const SEND_MODES = ["DEFAULT", "SEND", "SKIP"];
const DIRECTIONS = ["request", "response"] as const;
type Direction = (typeof DIRECTIONS)[number];

/** What rules there may be behind a use: `failOpen`, they let traffic pass without the server. */
type Rules = { sections: { [direction in Direction]: SectionPlan[] }; unknown: boolean; failOpen: boolean };

function lintUse(use: Use, routes: readonly RoutePlan[] | undefined, report: Report): void {
  const ownModes = objectAt(use.overrides, "processing_mode");
  const modes = ownModes ?? objectAt(use.filter, "processing_mode") ?? {};
  const modesPath =
    ownModes === undefined
      ? pathOf(use.filter, use.filterPath, "processing_mode")
      : pathOf(use.overrides, use.path, "processing_mode");
  if (!sends(modes)) return;
  const mark = markOf(use);
  const rules = rulesBehind(mark, routes, use, report);
  for (const direction of DIRECTIONS) lintModes(modes, modesPath, direction, rules, report);
  if (!guards(rules, "request") && !guards(rules, "response")) return;
  if (mark === undefined && headerMode(modes, "request") === "SKIP") {
    const message = "without the request's headers nobody knows the route of an exchange, and rules do not run";
    complain(report, "E_ENVOY", pathOf(modes, modesPath, "request_header_mode"), message, "say SEND");
  }
  lintFailures(use, rules, report);
  lintRaises(use, modes, report);
}

function lintModes(modes: Node, path: DocumentPath, direction: Direction, rules: Rules, report: Report): void {
  const body = bodyMode(modes, direction);
  const at = (name: string) => pathOf(modes, path, `${direction}_${name}_mode`);
  const trailers = enumOf(field(modes, `${direction}_trailer_mode`), SEND_MODES);
  if (body === "GRPC") {
    complain(report, "E_ENVOY", at("body"), "Envoy does not implement GRPC: bodies pass unread", "say BUFFERED");
  }
  if (body === "FULL_DUPLEX_STREAMED" && trailers !== "SEND") {
    const message = "without trailers the end of a body that has them is not known, and the exchange hangs";
    complain(report, "E_ENVOY", at("trailer"), message, `say ${direction}_trailer_mode: SEND`);
  }
  if (!guards(rules, direction)) return;
  if (body !== "NONE" && headerMode(modes, direction) === "SKIP") {
    const message = "without headers nobody knows what a body is, and headers have gone before a refusal";
    complain(report, "E_ENVOY", at("header"), message, "say SEND");
  }
  const buffered = body === "BUFFERED" || body === "BUFFERED_PARTIAL";
  if (buffered && trailers !== "SEND" && rules.sections[direction].some((section) => section.bodyless)) {
    const message = "a message of headers and trailers slips past rules on messages without a body";
    complain(report, "E_ENVOY", at("trailer"), message, `say ${direction}_trailer_mode: SEND`);
  }
}

function lintFailures(use: Use, rules: Rules, report: Report): void {
  const own = field(use.overrides, "failure_mode_allow");
  const where =
    own === undefined
      ? pathOf(use.filter, use.filterPath, "failure_mode_allow")
      : pathOf(use.overrides, use.path, "failure_mode_allow");
  if (field(use.filter, "observability_mode") === true) {
    const at = pathOf(use.filter, use.filterPath, "observability_mode");
    complain(report, "E_ENVOY", at, "Envoy waits for no answer: rules change and refuse nothing", "leave it out");
    return;
  }
  if ((own ?? field(use.filter, "failure_mode_allow")) === true && !rules.failOpen) {
    const message = "who stops the server, or makes it slow, goes around its rules";
    complain(
      report,
      "E_ENVOY",
      where,
      message,
      'say false, or let the route pass errors: "onFault": { "error": "pass" }',
    );
  }
}

// agglo itself only ever lowers a mode; a raised one keeps a content-length that a longer body contradicts.
function lintRaises(use: Use, modes: Node, report: Report): void {
  const allowed = field(use.filter, "allowed_override_modes");
  if (field(use.filter, "allow_mode_override") !== true || !Array.isArray(allowed)) return;
  for (const [i, each] of allowed.entries()) {
    if (!isNode(each)) continue;
    for (const direction of DIRECTIONS) {
      const mode = bodyMode(each, direction);
      if (mode === "NONE" || mode === bodyMode(modes, direction)) continue;
      const at = [...pathOf(use.filter, use.filterPath, "allowed_override_modes"), i];
      const message = `${direction} bodies may become ${mode} on a way, with the content-length of others: request smuggling`;
      complain(report, "E_ENVOY", at, message, "allow only modes that are configured, and NONE");
    }
  }
}

function rulesBehind(
  mark: string | undefined,
  routes: readonly RoutePlan[] | undefined,
  use: Use,
  report: Report,
): Rules {
  const rules: Rules = { sections: { request: [], response: [] }, unknown: false, failOpen: false };
  if (routes === undefined) {
    rules.unknown = mark === undefined;
    return rules;
  }
  const name = mark?.slice(0, mark.lastIndexOf("@"));
  const behind = mark === undefined ? routes : routes.filter((route) => route.name === name);
  if (behind.length === 0 && mark !== undefined) {
    const message = `the route "${name}" is none of the configuration's`;
    complain(report, "E_ENVOY", use.path, message, 'make this anew with "binge envoy"');
  }
  for (const route of behind) {
    if (route.request?.guards === true) rules.sections.request.push(route.request);
    if (route.response?.guards === true) rules.sections.response.push(route.response);
  }
  rules.failOpen = behind.every((route) => needs(route).failOpen);
  return rules;
}

function guards(rules: Rules, direction: Direction): boolean {
  return rules.unknown || rules.sections[direction].length > 0;
}

/** The route that a use names to the server; undefined: none, or not as text. */
function markOf(use: Use): string | undefined {
  const metadata = field(use.overrides, "grpc_initial_metadata");
  if (!Array.isArray(metadata)) return undefined;
  const found = metadata.find((each) => isNode(each) && field(each, "key") === ROUTE_MARK) as Node | undefined;
  return typeof found?.value === "string" ? found.value.replaceAll("%%", "%") : undefined;
}

function sends(modes: Node): boolean {
  const phases = DIRECTIONS.map((each) => headerMode(modes, each) !== "SKIP" || bodyMode(modes, each) !== "NONE");
  return phases.includes(true);
}

function headerMode(modes: Node, direction: Direction): string {
  return enumOf(field(modes, `${direction}_header_mode`), SEND_MODES) === "SKIP" ? "SKIP" : "SEND";
}

function bodyMode(modes: Node, direction: Direction): string {
  return enumOf(field(modes, `${direction}_body_mode`), BODY_MODES);
}

// Envoy reads an enum's number as well as its name.
function enumOf(value: unknown, names: readonly string[]): string {
  return typeof value === "string" ? value : (names[Number(value ?? 0)] ?? "");
}

// --- the chain ----------------------------------------------------------------------------------------------------------

function lintOrder(filters: readonly unknown[], path: DocumentPath, report: Report): void {
  const types = filters.map((filter) => (isNode(filter) ? typeOf(objectAt(filter, "typed_config") ?? {}) : ""));
  const first = types.indexOf("ExternalProcessor");
  for (const [i, type] of types.entries()) {
    if (type !== "Decompressor" || first === -1 || i < first) continue;
    const message = "responses hang between a decompressor and the ext_proc filter before it";
    complain(report, "E_ENVOY", [...path, i], message, "leave it out: agglo reads gzip, deflate, br and zstd itself");
  }
}

// --- reading ------------------------------------------------------------------------------------------------------------

function walk(value: unknown, path: DocumentPath, visit: (node: Node, path: DocumentPath) => void): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) walk(item, [...path, i], visit);
  } else if (isNode(value)) {
    visit(value, path);
    for (const [key, item] of Object.entries(value)) walk(item, [...path, key], visit);
  }
}

/** The last part of a message type: "ExternalProcessor". */
function typeOf(node: Node): string {
  const type = node["@type"];
  return typeof type === "string" ? (type.split(".").at(-1) as string) : "";
}

/** Name of the filter whose typed_config stands at a path: what per-route configurations call it. */
function nameOf(config: unknown, path: DocumentPath): string {
  let node = config;
  for (const key of path.slice(0, -1)) node = (node as Node)[key as string];
  return isNode(node) ? String(node.name) : "";
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field by its name in the protocol; Envoy takes lowerCamelCase too. */
function field(node: Node, name: string): unknown {
  return node[keyOf(node, name)];
}

function objectAt(node: Node, name: string): Node | undefined {
  const value = field(node, name);
  return isNode(value) ? value : undefined;
}

/** Where a field stands, or would. */
function pathOf(node: Node, path: DocumentPath, name: string): DocumentPath {
  return [...path, keyOf(node, name)];
}

function keyOf(node: Node, name: string): string {
  return Object.keys(node).find((key) => snakeCase(key) === name) ?? name;
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
