/** A section of a route: its fields and their compilation. What `always` says besides is joined with it here. */
import { eachError } from "../body/each.ts";
import { isStreamType } from "../body/format.ts";
import { type Compiler, compileSelection } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { SelectingPath } from "../event/select.ts";
import type { Step } from "../plan.ts";
import { HTTP_KEY } from "../processes/reserved.ts";
import { compileFaultPolicy, type FaultPolicyConfig, ON_FAULT_FIELD } from "./fault-policy.ts";
import { checkOperations, compileParts, joinParts, PARTS_FIELDS, type Parts } from "./parts-config.ts";
import type { HeaderWrite, MetadataWrite, SectionPlan } from "./route.ts";

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

const OWN_FIELDS = {
  contentTypes: {
    kind: "list",
    of: { kind: "string", doc: "A media type; `application/*+json` covers a family." },
    doc: "Bodies the pipelines understand. Default `application/json`, `application/*+json`.",
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
} as const;

export const REQUEST_FIELDS = Object.assign({}, PARTS_FIELDS, OWN_FIELDS);
export const RESPONSE_FIELDS = Object.assign(
  {
    status: { kind: "list", of: { kind: "string", doc: "`2xx` or `404`." }, doc: "Responses to treat; absent: all." },
  } as const,
  REQUEST_FIELDS,
);

/** `onFault` is checked and spread over the reasons by engine/config. */
export type SectionConfig = ConfigOf<typeof REQUEST_FIELDS> & { status?: string[] | undefined };

const DEFAULT_CONTENT_TYPES = ["application/json", "application/*+json"];

/** undefined: neither the route nor `always` says anything of this direction. */
export function compileSection(
  written: SectionConfig | undefined,
  direction: "request" | "response",
  always: Parts | undefined,
  enforce: boolean,
  compiler: Compiler,
  at: DocumentPath,
): SectionPlan | undefined {
  if (written === undefined && always === undefined) return undefined;
  const config: Partial<SectionConfig> = written ?? {};
  const own = compileParts(config, compiler, at);
  const parts = always === undefined ? own : direction === "request" ? joinParts(always, own) : joinParts(own, always);
  checkOperations(parts, compiler, at);
  checkStatuses(config.status ?? [], compiler, at.concat("status"));
  const steps = stepsOf(parts.pipelines, compiler);
  const changesBody = steps.some((step) => step.changes);
  const writesHeaders = parts.setHeaders.length > 0 || parts.removeHeaders.length > 0;
  const guards = changesBody || writesHeaders || steps.some((step) => step.refuses);
  const onFault = (config.onFault ?? {}) as FaultPolicyConfig;
  const reads = readsOf(steps, parts, compiler);
  const contentTypes = (config.contentTypes ?? DEFAULT_CONTENT_TYPES).map((type) => type.toLowerCase());
  return {
    direction,
    enforce,
    separate: false,
    pipelines: parts.pipelines,
    contentTypes,
    each: compileEach(config.each, contentTypes, compiler, at.concat("each")),
    batch: config.batch,
    bodyless: config.bodyless ?? false,
    statuses: config.status ?? [],
    setHeaders: parts.setHeaders,
    removeHeaders: enforce ? parts.removeHeaders : [], // hosts take it from here, and a dry run removes nothing
    metadata: enforce ? parts.metadata : [], // they go with an answer, and a dry run is not waited for
    limits: {
      bodyBytes: config.limits?.bodyBytes ?? 1_048_576,
      decodedBytes: config.limits?.decodedBytes ?? 8_388_608,
      depth: config.limits?.depth ?? 64,
      deadlineMs: config.limits?.deadlineMs ?? 150,
    },
    onFault: compileFaultPolicy(compiler, onFault, direction, guards, at.concat("onFault")),
    guards: enforce && guards,
    changesBody: enforce && changesBody,
    readsHttp: reads.some((path) => path === HTTP_KEY || path.startsWith(`${HTTP_KEY}.`)),
    readsRequest: reads.some((path) => path === HTTP_KEY || path.startsWith(`${HTTP_KEY}.request`)),
  };
}

function checkStatuses(statuses: readonly string[], compiler: Compiler, at: DocumentPath): void {
  for (let i = 0; i < statuses.length; i++) {
    if (/^[1-5](xx|[0-9][0-9])$/.test(statuses[i] as string)) continue;
    const message = `a status is three digits or "2xx", found "${statuses[i]}"`;
    complain(compiler.report, "E_VALUE", at.concat(i), message, "");
  }
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

function stepsOf(pipelines: readonly number[], compiler: Compiler): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < pipelines.length; i++) {
    const indexes = compiler.plan.pipelines[pipelines[i] as number]?.steps ?? [];
    for (let j = 0; j < indexes.length; j++) steps.push(compiler.plan.steps[indexes[j] as number] as Step);
  }
  return steps;
}

/** Reserved paths that these steps, the steps they use, the header writes and the metadata read. */
function readsOf(steps: readonly Step[], parts: Parts, compiler: Compiler): string[] {
  let reads: string[] = [];
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    reads = reads.concat(step.reads);
    for (let j = 0; j < step.uses.length; j++)
      reads = reads.concat((compiler.plan.steps[step.uses[j] as number] as Step).reads);
  }
  for (let i = 0; i < parts.setHeaders.length; i++) reads.push((parts.setHeaders[i] as HeaderWrite).reference);
  for (let i = 0; i < parts.metadata.length; i++) reads.push((parts.metadata[i] as MetadataWrite).reference);
  return reads;
}
