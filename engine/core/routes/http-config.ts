/** The `http` section of a configuration: its fields, and their compilation to routes (http.md). */
import { eachError } from "../body/each.ts";
import { isStreamType } from "../body/format.ts";
import { type Compiler, compileSelection } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { SelectingPath } from "../event/select.ts";
import type { Step } from "../plan.ts";
import { HTTP_KEY } from "../processes/reserved.ts";
import { compileFaultPolicy, type FaultPolicyConfig, ON_FAULT_FIELD } from "./fault-policy.ts";
import { compileGlob } from "./glob.ts";
import { headerNameError, headerValueError, writeRefusedBecause } from "./header.ts";
import { normalizeHost } from "./match.ts";
import type { HeaderWrite, MatchPlan, RoutePlan, SectionPlan } from "./route.ts";

const LATER = "Comes with the whole of ext_proc.";

const MATCH_FIELDS = {
  hosts: {
    kind: "list",
    of: { kind: "string", doc: "A host, or `*.` and a domain for its subdomains." },
    doc: "Any of these; absent: every host.",
  },
  paths: {
    kind: "list",
    of: { kind: "string", doc: "A path with `*` (within a segment) and `**` (any number of segments)." },
    doc: "Any of these; absent: every path.",
  },
  methods: {
    kind: "list",
    of: { kind: "string", doc: "A method, in capitals." },
    doc: "Any of these; absent: every method.",
  },
  headers: {
    kind: "map",
    of: { kind: "string", doc: "The value." },
    doc: "All of these, each with exactly this value.",
  },
} as const;

const LIMIT_FIELDS = {
  bodyBytes: { kind: "integer", min: 1, max: 1 << 30, doc: "Largest body. Default 1 MiB." },
  decodedBytes: { kind: "integer", min: 1, max: 1 << 30, doc: "Largest body after decoding. Default 8 MiB." },
  depth: { kind: "integer", min: 1, max: 512, doc: "Deepest nesting. Default 64." },
  deadlineMs: {
    kind: "integer",
    min: 0,
    max: 60_000,
    doc: "For all pipelines of the section together; 0 = none. Default 150.",
  },
} as const;

const SECTION_FIELDS = {
  pipelines: {
    kind: "list",
    of: { kind: "string", doc: "A pipeline's name." },
    doc: "Run in this order; each gets the event the former left.",
  },
  contentTypes: {
    kind: "list",
    of: { kind: "string", doc: "A media type; `application/*+json` covers a family." },
    doc: "Bodies the pipelines understand. Default `application/json`, `application/*+json`.",
  },
  setHeaders: {
    kind: "map",
    of: { kind: "string", doc: "A literal, or one whole reference `{internal:…}`." },
    doc: "Headers to set on the message.",
  },
  removeHeaders: {
    kind: "list",
    of: { kind: "string", doc: "A header's name." },
    doc: "Headers to remove from the message.",
  },
  onFault: ON_FAULT_FIELD,
  limits: { kind: "object", fields: LIMIT_FIELDS, doc: "Beyond these a message is a fault." },
  each: {
    kind: "string",
    doc: "Where in a JSON document the events are, as a path: `items[*]`. Absent: it is one event, or an array of them.",
  },
  batch: {
    kind: "word",
    words: ["all", "element"],
    doc: "What a refused event takes along: `all` of its message (default), or only that `element` (default for streams).",
  },
  bodyless: { kind: "boolean", doc: "Run the pipelines on messages without a body too, on an empty event." },
  metadata: { kind: "later", doc: LATER },
} as const;

const RESPONSE_FIELDS = Object.assign(
  {
    status: { kind: "list", of: { kind: "string", doc: "`2xx` or `404`." }, doc: "Responses to treat; absent: all." },
  } as const,
  SECTION_FIELDS,
);

export const HTTP_FIELDS = {
  version: { kind: "integer", required: true, min: 1, max: 1, doc: "1." },
  routes: {
    kind: "list",
    required: true,
    doc: "The first that matches an exchange is its route, in both directions.",
    of: {
      kind: "object",
      doc: "A route.",
      fields: {
        name: { kind: "string", required: true, doc: "Unique; in metrics, logs and the proxy's metadata." },
        match: { kind: "object", fields: MATCH_FIELDS, doc: "What it applies to; absent: everything." },
        request: { kind: "object", fields: SECTION_FIELDS, doc: "What happens to requests." },
        response: { kind: "object", fields: RESPONSE_FIELDS, doc: "What happens to responses." },
        enforce: { kind: "later", doc: LATER },
        exchange: { kind: "later", doc: LATER },
        gateway: {
          kind: "boolean",
          doc: "In nginx: hold the whole response, so that its content can decide its status. Nothing streams then.",
        },
      },
    },
  },
  always: { kind: "later", doc: LATER },
} as const;

export type RouteConfig = ConfigOf<typeof HTTP_FIELDS>["routes"][number];
type MatchConfig = ConfigOf<typeof MATCH_FIELDS>;
/** `onFault` is checked and spread over the reasons by engine/config. */
type SectionConfig = ConfigOf<typeof SECTION_FIELDS> & { status?: string[] | undefined };

const DEFAULT_CONTENT_TYPES = ["application/json", "application/*+json"];
/** Envoy refuses a mutation with more than 100 operations (facts 3.8); some are left for our own. */
const HEADER_OPERATIONS_MAX = 40;
const ROUTE_NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** Compiles one route; `before` are those that stand before it. */
export function compileRoute(
  config: RouteConfig,
  before: readonly RoutePlan[],
  compiler: Compiler,
  at: DocumentPath,
): RoutePlan {
  if (!ROUTE_NAME.test(config.name)) {
    complain(compiler.report, "E_VALUE", at.concat("name"), "a route's name is made of letters, digits and . _ -", "");
  }
  if (before.some((other) => other.name === config.name)) {
    const message = `two routes are called "${config.name}"`;
    complain(compiler.report, "E_DUPLICATE_NAME", at.concat("name"), message, "rename one");
  }
  if (config.request === undefined && config.response === undefined) {
    complain(compiler.report, "E_MISSING_FIELD", at, "the route does nothing", "add a request or a response section");
  }
  return {
    name: config.name,
    match: compileMatch(config.match, compiler, at.concat("match")),
    request: compileSection(config.request, "request", compiler, at.concat("request")),
    response: compileSection(config.response, "response", compiler, at.concat("response")),
    gateway: config.gateway ?? false,
  };
}

function compileMatch(config: MatchConfig | undefined, compiler: Compiler, at: DocumentPath): MatchPlan {
  const match: MatchPlan = { hosts: [], paths: [], methods: [], headers: [] };
  if (config === undefined) return match;
  const hosts = config.hosts ?? [];
  for (let i = 0; i < hosts.length; i++) {
    const host = hosts[i] as string;
    if (host.slice(1).indexOf("*") !== -1 || (host.startsWith("*") && host !== "*" && !host.startsWith("*."))) {
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("hosts", i),
        `"*" stands alone or before the first dot, found "${host}"`,
        'write "*.example.com"',
      );
    }
    match.hosts.push(normalizeHost(host));
  }
  const paths = config.paths ?? [];
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i] as string;
    if (!path.startsWith("/"))
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("paths", i),
        `a path begins with "/", found "${path}"`,
        `write "/${path}"`,
      );
    if (/[?#]/.test(path)) {
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("paths", i),
        `a path has no query and no fragment, found "${path}"`,
        "match on internal:http.query in a condition",
      );
    }
    match.paths.push(compileGlob(path));
  }
  match.methods = config.methods ?? [];
  for (let i = 0; i < match.methods.length; i++) {
    const method = match.methods[i] as string;
    if (method !== method.toUpperCase())
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("methods", i),
        `methods are written in capitals, found "${method}"`,
        `write "${method.toUpperCase()}"`,
      );
  }
  const headers = config.headers ?? {};
  const names = Object.keys(headers);
  for (let i = 0; i < names.length; i++) {
    const error = headerNameError((names[i] as string).toLowerCase());
    if (error !== "")
      complain(compiler.report, "E_HEADER", at.concat("headers", names[i] as string), `"${names[i]}" ${error}`, "");
    match.headers.push({ name: (names[i] as string).toLowerCase(), value: headers[names[i] as string] as string });
  }
  return match;
}

function compileSection(
  config: SectionConfig | undefined,
  direction: "request" | "response",
  compiler: Compiler,
  at: DocumentPath,
): SectionPlan | undefined {
  if (config === undefined) return undefined;
  const pipelines = findPipelines(config.pipelines ?? [], compiler, at.concat("pipelines"));
  const steps = stepsOf(pipelines, compiler);
  const setHeaders = compileHeaderWrites(config.setHeaders ?? {}, compiler, at.concat("setHeaders"));
  const removeHeaders = compileHeaderNames(config.removeHeaders ?? [], compiler, at.concat("removeHeaders"));
  const changesBody = steps.some((step) => step.changes);
  const guards = changesBody || setHeaders.length > 0 || removeHeaders.length > 0 || steps.some((step) => step.refuses);
  const statuses = config.status ?? [];
  for (let i = 0; i < statuses.length; i++) {
    if (!/^[1-5](xx|[0-9][0-9])$/.test(statuses[i] as string))
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("status", i),
        `a status is three digits or "2xx", found "${statuses[i]}"`,
        "",
      );
  }
  const reads = readsOf(steps, setHeaders, compiler);
  const contentTypes = (config.contentTypes ?? DEFAULT_CONTENT_TYPES).map((type) => type.toLowerCase());
  return {
    direction,
    pipelines,
    contentTypes,
    each: compileEach(config.each, contentTypes, compiler, at.concat("each")),
    batch: config.batch,
    bodyless: config.bodyless ?? false,
    statuses,
    setHeaders,
    removeHeaders,
    limits: {
      bodyBytes: config.limits?.bodyBytes ?? 1_048_576,
      decodedBytes: config.limits?.decodedBytes ?? 8_388_608,
      depth: config.limits?.depth ?? 64,
      deadlineMs: config.limits?.deadlineMs ?? 150,
    },
    onFault: compileFaultPolicy(
      compiler,
      (config.onFault ?? {}) as FaultPolicyConfig,
      direction,
      guards,
      at.concat("onFault"),
    ),
    guards,
    changesBody,
    readsHttp: reads.some((path) => path === HTTP_KEY || path.startsWith(`${HTTP_KEY}.`)),
    readsRequest: reads.some((path) => path === HTTP_KEY || path.startsWith(`${HTTP_KEY}.request`)),
  };
}

function compileEach(
  text: string | undefined,
  contentTypes: readonly string[],
  compiler: Compiler,
  at: DocumentPath,
): SelectingPath | undefined {
  if (text === undefined) return undefined;
  const path = compileSelection(compiler, text, at);
  const error = eachError(path);
  if (error !== "") complain(compiler.report, "E_PATH", at, `"each" ${error}`, "");
  for (let i = 0; i < contentTypes.length; i++) {
    const type = contentTypes[i] as string;
    if (!isStreamType(type)) continue;
    const remedy = "make a route of its own for one of them";
    complain(compiler.report, "E_VALUE", at, `"each" looks into one JSON document, ${type} holds many`, remedy);
  }
  return path;
}

function findPipelines(names: readonly string[], compiler: Compiler, at: DocumentPath): number[] {
  const pipelines = compiler.plan.pipelines;
  const found: number[] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const index = pipelines.findIndex((pipeline) => pipeline.name === name);
    if (index !== -1) found.push(index);
    else
      complain(
        compiler.report,
        "E_REFERENCE",
        at.concat(i),
        `no pipeline is called "${name}"`,
        compiler.suggest(
          name,
          pipelines.map((pipeline) => pipeline.name),
        ),
      );
  }
  return found;
}

function stepsOf(pipelines: readonly number[], compiler: Compiler): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < pipelines.length; i++) {
    const indexes = compiler.plan.pipelines[pipelines[i] as number]?.steps ?? [];
    for (let j = 0; j < indexes.length; j++) steps.push(compiler.plan.steps[indexes[j] as number] as Step);
  }
  return steps;
}

/** Reserved paths that these steps, the steps they use and the header writes read. */
function readsOf(steps: readonly Step[], writes: readonly HeaderWrite[], compiler: Compiler): string[] {
  let reads: string[] = [];
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    reads = reads.concat(step.reads);
    for (let j = 0; j < step.uses.length; j++)
      reads = reads.concat((compiler.plan.steps[step.uses[j] as number] as Step).reads);
  }
  for (let i = 0; i < writes.length; i++) reads.push((writes[i] as HeaderWrite).reference);
  return reads;
}

const REFERENCE = /^\{(internal:[^{}]+)\}$/;

function compileHeaderWrites(config: { [name: string]: string }, compiler: Compiler, at: DocumentPath): HeaderWrite[] {
  const writes: HeaderWrite[] = [];
  const names = Object.keys(config);
  if (names.length > HEADER_OPERATIONS_MAX)
    complain(compiler.report, "E_HEADER", at, `more than ${HEADER_OPERATIONS_MAX} headers`, "");
  for (let i = 0; i < names.length; i++) {
    const name = (names[i] as string).toLowerCase();
    const value = config[names[i] as string] as string;
    const reference = REFERENCE.exec(value)?.[1] ?? "";
    let error = writeRefusedBecause(name) || headerValueError(value);
    if (error === "" && reference === "" && /[{}]/.test(value)) error = "is neither a literal nor one whole reference";
    if (error !== "")
      complain(
        compiler.report,
        "E_HEADER",
        at.concat(names[i] as string),
        `header "${name}" ${error}`,
        'write a literal, or one reference like "{internal:risk}"',
      );
    writes.push({ name, value: reference === "" ? value : "", reference });
  }
  return writes;
}

function compileHeaderNames(names: readonly string[], compiler: Compiler, at: DocumentPath): string[] {
  if (names.length > HEADER_OPERATIONS_MAX)
    complain(compiler.report, "E_HEADER", at, `more than ${HEADER_OPERATIONS_MAX} headers`, "");
  return names.map((name, i) => {
    const error = writeRefusedBecause(name.toLowerCase());
    if (error !== "") complain(compiler.report, "E_HEADER", at.concat(i), `header "${name}" ${error}`, "");
    return name.toLowerCase();
  });
}
