/**
 * The bundle: core's own run functions, the handlers around them and the compiled file as literals, in what the engine
 * parses. One tool, esbuild: it refuses what it cannot lower (class, for-of, destructuring …), which holds core and njs/
 * to their dialect once more.
 */
import { readFileSync } from "node:fs";
import { dirname, extname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { Truth } from "../engine/core/condition/evaluate.ts";
import { Op } from "../engine/core/condition/operators.ts";
import { Select } from "../engine/core/event/select.ts";
import { Outcome } from "../engine/core/outcome.ts";
import type { Plan } from "../engine/core/plan.ts";
import { findProcess } from "../engine/core/processes/registry.ts";
import { Transformation } from "../engine/core/processes/transformation.ts";
import type { PathGlob } from "../engine/core/routes/glob.ts";
import type { TeeWay } from "./file.ts";
import { exportName, routeText } from "./link-text.ts";
import { withSeldomAside } from "./seldom.ts";

/** A pattern as written: sources of regular expressions, and what njs/patterns.ts says of the rest. */
export type BundledPattern = {
  test: string;
  split: string | undefined;
  groups: number;
  textMax: number;
  templates: { [template: string]: readonly (string | readonly number[])[] };
};

export type Bundled = {
  plan: Plan;
  patterns: readonly BundledPattern[];
  /** keys of the processes that the plan's routes use */
  processes: readonly string[];
  tees: { [system: string]: TeeWay };
  flavour: "njs" | "qjs";
  jsonDepth: number;
  /** what not every file needs: of the others a bundle carries nothing */
  needs: {
    zones: boolean;
    response: boolean;
    gateway: boolean;
    queue: boolean;
    state: boolean;
    hmacs: boolean;
    /** conditions in CEL */
    cel: boolean;
    /** conditions that compute */
    arithmetic: boolean;
    /** redactor rules that look for something */
    detectors: boolean;
    /** routes that name hosts, and globs that are more than a prefix */
    hosts: boolean;
    segments: boolean;
    each: boolean;
    ndjson: boolean;
    sse: boolean;
    /** rules that read the host's context */
    http: boolean;
    /** sections that set or remove headers */
    headers: boolean;
    /** annotators that write the time */
    localTime: boolean;
  };
};

const here = dirname(fileURLToPath(import.meta.url));
const core = join(here, "../engine/core");
/** `.ts` in the checkout, `.js` in the package. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** The bundle's text. Rejects only for a bug of ours: whatever the file says, its plan is data. */
export async function bundle(bundled: Bundled): Promise<string> {
  const options: BuildOptions = {
    stdin: { contents: entry(bundled), resolveDir: here, loader: "js" },
    bundle: true,
    write: false,
    format: "esm",
    legalComments: "none",
    charset: "ascii",
    external: ["crypto"],
    alias: { "node:crypto": "crypto" },
    define: { AGGLO_JSON_DEPTH: String(bundled.jsonDepth) },
    plugins: [ownModules(leftOut(bundled)), lighter],
    logLevel: "silent",
    ...(bundled.flavour === "qjs" ? { target: "es2020" } : NJS_SYNTAX),
  };
  const apart = `${ARRAY_ONCE}\n${withSeldomAside(await built(options), takesLists(bundled))}`;
  const text = await built({ ...options, stdin: { contents: apart, loader: "js" }, plugins: [], minify: true });
  // njs 0.7.9 knows one form of a default export.
  return text.replace(/export\s*\{\s*([\w$]+) as default\s*\};?/, "export default $1;");
}

function takesLists({ needs }: Bundled): boolean {
  return needs.each || needs.ndjson || needs.sse;
}

async function built(options: BuildOptions): Promise<string> {
  const result = await build(options);
  return result.outputFiles?.[0]?.text ?? "";
}

/** What njs parses as it is, in every version since 0.7.9; all else is lowered or refused. */
const NJS_SYNTAX: BuildOptions = {
  target: "es5",
  supported: {
    arrow: true,
    "const-and-let": true,
    "exponent-operator": true,
    "nullish-coalescing": true,
    "object-extensions": true,
    "rest-argument": true,
    "template-literal": true,
  },
};

/**
 * Resolves relative imports: njs/parse.ts and njs/write.ts in the place of core's, since njs reads and writes JSON its own
 * way, and a stub in the place of each module that the file does not need. No module of ours acts when it is loaded, so
 * what nobody uses of one stays behind.
 */
function ownModules(leftOut: readonly string[]): Plugin {
  return {
    name: "own-modules",
    setup(setup) {
      setup.onResolve({ filter: /^(\.|\/|[A-Za-z]:)/ }, (args) => {
        const path = isAbsolute(args.path) ? args.path : join(args.resolveDir, args.path);
        const file = path.slice(0, -extname(path).length);
        if (leftOut.includes(file)) return { path: file, namespace: "left-out", sideEffects: false };
        const own = OWN_JSON.find((name) => file === join(core, "event", name));
        return { path: own === undefined ? path : join(here, own + EXTENSION), sideEffects: false };
      });
      setup.onLoad({ filter: /./, namespace: "left-out" }, ({ path }) => ({ contents: stubOf(path + EXTENSION) }));
    },
  };
}

const OWN_JSON = ["parse", "write"];

/**
 * `Op.equal` becomes 23: njs would look the name up twice for each use, and carry all of them. These names stand for
 * nothing else in core and njs/. And calls that only make a description are marked, so that it can stay behind.
 */
const lighter: Plugin = {
  name: "lighter",
  setup(setup) {
    setup.onLoad({ filter: /\.(ts|js)$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8")
        .replace(CONSTANT, constantText)
        .replace(UNDEFINED, "")
        .replace(NEVER, (text) => NEVERS[text] ?? text)
        .replace(NO_RAW, "")
        .replace(RAW, "false")
        .replace(DESCRIBING, "/* @__PURE__ */ $&")
        .replace(ASKING, (_, name, value) => ASKED[name]?.split("$").join(value) ?? "")
        .replace(
          FLAT.test(path) ? OBJECT : /(?!)/g,
          '(typeof $1 === "object" && $1 !== null && !($1 instanceof ArrayOnce))',
        ),
      loader: path.endsWith(".ts") ? "ts" : "js",
    }));
  },
};

const CONSTANTS: { [name: string]: { [member: string]: number } } = { Op, Outcome, Select, Transformation, Truth };
const CONSTANT = new RegExp(`(?<![\\w$.])(${Object.keys(CONSTANTS).join("|")})\\.(\\w+)`, "g");

/** A member that is undefined until somebody sets it: to read it is the same without, to make it is not. */
const UNDEFINED = /^ +\w+: undefined,\n/gm;

/** What only files ask for that `binge nginx` refuses: those that bind no route, and pipelines with options. */
const NEVERS: { [text: string]: string } = {
  "section.plan.separate": "false",
  "plan.separate": "false",
  "pipeline.conducts[i]": "undefined",
  "pipeline.around": "undefined",
};
const NEVER = /(?<![\w$.])(?:(?:section\.)?plan\.separate|pipeline\.conducts\[i\](?! = )|pipeline\.around(?! = ))/g;

/** njs/parse.ts makes none: a number that JavaScript does not hold is a fault there. */
const NO_RAW = / && !isRawNumber\([\w.]+\)/g;
const RAW = /(?<!function )\bisRawNumber\([\w.]+\)/g;
const DESCRIBING = /(?<!function )\b(?:conditionField|ourConditionField|Object\.freeze)\(/g;

/** Questions about a type, asked without a call: one costs njs as much as ten other operations. */
const ASKED: { [name: string]: string } = {
  isArray: "($ instanceof ArrayOnce)",
  isContainer: '(typeof $ === "object" && $ !== null)',
};
const ASKING = new RegExp(`(?<!function |[\\w$.])(${Object.keys(ASKED).join("|")})\\((\\w+)\\)`, "g");
/** njs looks a global name up by its text each time. */
const ARRAY_ONCE = "const ArrayOnce = Array;";
/** Where one more is asked so often that it is worth its bytes. */
const FLAT = /[/\\]event[/\\](?:select|path)\.[tj]s$/;
const OBJECT = /(?<![\w$.])isObject\((\w+)\)/g;

function constantText(text: string, name: string, member: string): string {
  const value = CONSTANTS[name]?.[member];
  return value === undefined ? text : String(value);
}

/** The names that a module exports, with nothing behind them: who uses one all the same gets an exception, a fault. */
function stubOf(file: string): string {
  if (file.includes("header-writes")) return NO_HEADER_WRITES;
  const names = readFileSync(file, "utf8").matchAll(/^export (?:const|function) (\w+)/gm);
  return [...names].map(([, name]) => `export const ${name} = undefined;`).join("\n");
}

/** What reading no writes comes to: this module is asked whatever the file says. */
const NO_HEADER_WRITES = `
  export const readHeaderWrites = () => "";
  export const readMetadata = (writes, event, metadata) => metadata;
  export const writtenHeaders = () => [];
`;

/** Files, without their extension, that the bundle does without. */
function leftOut({ needs }: Bundled): string[] {
  const files: string[] = ["run-all"]; // of files without routes
  if (!needs.cel) files.push("condition/cel-evaluate");
  if (!needs.arithmetic) files.push("condition/arithmetic");
  if (!needs.detectors) files.push("detect/detect", "detect/numbers", "event/scalars", "processes/redact-finds");
  if (!needs.each) files.push("body/each");
  if (!needs.ndjson) files.push("body/ndjson");
  if (!needs.sse) files.push("body/sse");
  if (!needs.hosts) files.push("routes/host");
  if (!needs.segments) files.push("routes/segments");
  if (!needs.headers) files.push("routes/header-writes");
  if (!needs.localTime) files.push("../../njs/local-time");
  if (!needs.http) files.push("../../njs/http-context");
  return files.map((file) => join(core, file));
}

function entry(bundled: Bundled): string {
  const { needs, plan } = bundled;
  const lines = [
    `import * as handlers from ${path(here, "handlers")};`,
    `import { problemReply } from ${path(core, "routes/reply")};`,
  ];
  if (plan.conditions.length > 0) lines.push(`import { linkCondition } from ${path(core, "condition/evaluate")};`);
  if (needs.gateway) lines.push(`import { gateway } from ${path(here, "gateway")};`);
  if (bundled.patterns.length > 0) lines.push(`import { linkPatterns } from ${path(here, "patterns")};`);
  if (Object.keys(bundled.tees).length > 0) lines.push(`import { nginxTees } from ${path(here, "tees")};`);
  if (needs.state) lines.push(`import { nginxStates } from ${path(here, "states")};`);
  if (needs.hmacs) lines.push(`import { hmacs } from ${path(here, "hmacs")};`);
  for (const key of bundled.processes) lines.push(processImport(key));
  const shared = "ngx.shared";
  const zones = `{ counters: ${shared}.agglo_counters, queue: ${shared}.agglo_queue, state: ${shared}.agglo_state }`;
  const routes = plan.routes ?? [];
  const matches = routes.map(({ match }) => ({ plan: { match: { ...match, paths: match.paths.map(matched) } } }));
  lines.push(
    "const file = {",
    `  matches: () => (${JSON.stringify(matches)}),`,
    `  routes: { ${routes.map((route, i) => `r${i}: ${routeText(bundled, route)}`).join(",\n")} },`,
    `  ways: ${JSON.stringify(bundled.tees)},`,
    `  tees: ${Object.keys(bundled.tees).length > 0 ? "nginxTees" : "undefined"},`,
    `  zones: ${needs.zones ? zones : "undefined"},`,
    `  gateway: ${needs.gateway ? "gateway" : "undefined"},`,
    `  states: ${needs.state ? "nginxStates" : "undefined"},`,
    `  hmacs: ${needs.hmacs ? "hmacs" : "undefined"},`,
    "};",
    "const agglo = handlers.newHandlers(file);",
  );
  if (needs.response) lines.push("handlers.addResponse(agglo, file);");
  if (needs.queue) lines.push("handlers.addQueue(agglo, file);");
  lines.push("export default agglo;");
  return lines.join("\n");
}

/** Of a glob what is read: the prefix says all, or the segments do. */
function matched({ segments, prefix }: PathGlob): object {
  return prefix === "" ? { segments, prefix } : { prefix };
}

function path(folder: string, name: string): string {
  return JSON.stringify(join(folder, name + EXTENSION));
}

// A process's file exports runKEY, and linkKEY where it keeps something on a thread (CONTRIBUTING.md).
function processImport(key: string): string {
  const name = exportName(key);
  const names = findProcess(key)?.link === undefined ? `run${name}` : `run${name}, link${name}`;
  return `import { ${names} } from ${path(join(core, "processes"), key)};`;
}
