/** Hand-written ports for tests of the core: deterministic, and they remember what they were asked. */
import type { Compiler } from "./compiler.ts";
import type { RunContext } from "./context.ts";
import { newReport } from "./diagnostic.ts";
import { isObject, type JsonObject } from "./event/json.ts";
import { linkOptions } from "./link.ts";
import type { Outcome } from "./outcome.ts";
import type { LinkedPipeline } from "./pipeline.ts";
import { newPlan, newStep, type PipelineOptions, type StepOptions } from "./plan.ts";
import type { CommandFailure, CommandRequest, Ports, Regexps, Schemas, TeeSending, TeeTarget } from "./ports.ts";
import type { LinkedStep } from "./processes/step.ts";
import { type TestStore, testStore } from "./state/testing.ts";

/** RegExp in place of RE2: tests of the core use only what both read alike. */
export const testRegexps: Regexps = {
  compile(pattern) {
    try {
      const test = new RegExp(pattern, "u");
      const all = new RegExp(pattern, "gu");
      return {
        test: (text) => test.test(text),
        replaceAll: (text, template) => text.replace(all, template),
      };
    } catch {
      return { error: "is not a pattern" };
    }
  },
};

/** As much of JSON Schema as the documented examples use: `required`, and `minimum` of `properties`. */
export const testSchemas: Schemas = {
  compile(schema) {
    if (!isObject(schema)) return { flaws: [{ path: ["type"], message: "is no schema" }] };
    const required = (schema.required ?? []) as string[];
    const properties = (schema.properties ?? {}) as { [key: string]: { minimum?: number } };
    return {
      validate(value) {
        const object = value as JsonObject;
        const missing = required.filter((key) => object[key] === undefined);
        const small = Object.keys(properties).filter((key) => Number(object[key]) < (properties[key]?.minimum ?? 0));
        return [
          ...missing.map((key) => ({ pointer: `/${key}`, keyword: "required" })),
          ...small.map((key) => ({ pointer: `/${key}`, keyword: "minimum" })),
        ];
      },
    };
  },
};

export type TestPorts = Ports & {
  sent: { target: TeeTarget; sending: TeeSending; id: string; payload: string }[];
  counted: { [name: string]: number };
  /** commands that were run */
  ran: CommandRequest[];
  /** makes a command's answer; first: what it writes is `null` */
  answerCommand: (request: CommandRequest) => string | CommandFailure;
  /** milliseconds that were slept, one after the other; the clock goes on by them */
  slept: number[];
  /** records by `<pipeline>:<messageId>` */
  records: { [key: string]: string };
  /** what instruments were told, in order */
  measured: string[];
  /** key-value stores that keep state, by name */
  stores: { [name: string]: TestStore };
};

export function testPorts(): TestPorts {
  const sent: TestPorts["sent"] = [];
  const counted: TestPorts["counted"] = {};
  let ids = 0;
  const ports: TestPorts = {
    sent,
    counted,
    ran: [],
    answerCommand: () => "null",
    slept: [],
    records: {},
    measured: [],
    stores: {},
    regexps: testRegexps,
    schemas: testSchemas,
    clock: { nowMs: () => ports.slept.reduce((sum, ms) => sum + ms, 0), localTime: () => "2026-11-24T11:02:31+01:00" },
    ids: { uuid: () => `id-${++ids}` },
    hmacs: { hmacSha256: (reference, text) => `hmac(${reference},${text.length})` },
    tees: {
      waits: false,
      offer: (target, sending, id, payload) => sent.push({ target, sending, id, payload }),
      deliver: () => Promise.resolve({ error: "", retryable: false, response: "" }),
    },
    counters: {
      add: (name, label, amount) => {
        const key = `${name} ${label}`;
        counted[key] = (counted[key] ?? 0) + amount;
      },
    },
    commands: {
      async run(request) {
        ports.ran.push(request);
        const answer = ports.answerCommand(request);
        return typeof answer === "string" ? { stdout: answer } : answer;
      },
    },
    delays: {
      async sleep(delayMs) {
        ports.slept.push(delayMs);
      },
    },
    states: {
      update(store, update) {
        ports.stores[store] ??= testStore(() => ports.clock.nowMs());
        return ports.stores[store].update(update);
      },
    },
    random: { fraction: () => 0.5 },
    checkpoints: {
      async read(_target, pipeline, messageId) {
        const record = ports.records[`${pipeline}:${messageId}`];
        return record === undefined ? undefined : { record };
      },
      async write(_target, pipeline, messageId, record) {
        ports.records[`${pipeline}:${messageId}`] = record;
        return undefined;
      },
      async remove(_target, pipeline, messageId) {
        delete ports.records[`${pipeline}:${messageId}`];
        return undefined;
      },
    },
    instruments: {
      nowNs: () => ports.measured.length,
      latency: (kind, name, ns) => ports.measured.push(`${kind} ${name}.latency ${ns}`),
      ended: (kind, name, succeeded) => ports.measured.push(`${kind} ${name}.${succeeded ? "success" : "failure"}`),
      span(kind, name, parent) {
        ports.measured.push(`begin ${kind} ${name}${parent === "" ? "" : ` in ${parent}`}`);
        return {
          traceparent: name,
          end: (succeeded) => ports.measured.push(`end ${kind} ${name} ${succeeded}`),
        };
      },
    },
  };
  return ports;
}

/** A compiler onto an empty plan with one system, `archive`. */
export function testCompiler(): Compiler {
  const plan = newPlan();
  const connectionString = "mem:archive";
  plan.targets.push({ type: "ExternalObjectStore", name: "archive", outputType: "object", connectionString });
  return {
    report: newReport(),
    regexps: testRegexps,
    schemas: testSchemas,
    readJson: (file) => ({ error: `there is no file "${file}"` }),
    plan,
    reads: [],
    slips: [],
    findTransformer: () => -1,
    findTarget: (name) => plan.targets.findIndex((target) => target.name === name),
    transformerNames: () => [],
    systemNames: () => ["archive"],
    suggest: () => "",
  };
}

export const STEP_OPTIONS: StepOptions = {
  retriesMax: 0,
  backOffMs: 0,
  tracing: false,
  latency: false,
  counter: false,
};

export function testOptions(options: Partial<PipelineOptions>): PipelineOptions {
  return { steps: [], checkpoint: null, tracing: false, metrics: false, ...options };
}

/** A pipeline of steps that are just functions, called one, two, three, … All may wait. */
export function testPipeline(
  name: string,
  runs: ((context: RunContext) => Outcome)[],
  options?: PipelineOptions,
): LinkedPipeline {
  const names = ["one", "two", "three", "four", "five"];
  const steps = runs.map((run, i): LinkedStep => {
    const step = newStep("test", names[i] ?? String(i));
    step.waits = "may";
    const own = { step, plan: newPlan(), conditions: [], patterns: [], steps: [], state: undefined };
    return { run: (_linked, context) => run(context), ...own };
  });
  const conducts = steps.map(() => undefined);
  const pipeline: LinkedPipeline = { index: 0, name, partition: "", steps, conducts, options, around: undefined };
  return options === undefined ? pipeline : linkOptions(pipeline, options);
}
