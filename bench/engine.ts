/**
 * The engine alone: `npm run bench:engine`. What one event costs on one core, part by part, against the budget of issue
 * "The whole engine" (12 µs for 1 KB through three processes). Figures are medians of rounds, with their spread.
 */
import { loadConfig } from "../engine/config/load.ts";
import { newRunContext } from "../engine/core/context.ts";
import { type Event, newEvent } from "../engine/core/event/event.ts";
import { isObject, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";
import { parseText } from "../engine/core/event/parse.ts";
import { writeEvent } from "../engine/core/event/write.ts";
import { type LinkedPlan, link, runPipelines } from "../engine/core/pipeline.ts";
import type { Ports } from "../engine/core/ports.ts";
import { testPorts } from "../engine/core/testing.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { findSystem } from "../engine/systems/registry.ts";

const ROUNDS = 15;
const EVENTS_PER_ROUND = 20_000;
const SOAK_EVENTS = 1_000_000;

const config = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [{ name: "three", processes: [{ name: "annotate" }, { name: "replace" }, { name: "remove" }] }],
  processDefinitions: [
    {
      annotator: {
        name: "annotate",
        annotations: [
          {
            fieldKey: "priority",
            value: "high",
            condition: {
              expression: {
                comparator: { lhs: { variable: { name: "order.total" } }, rhs: { numeric: 100 }, op: "GreaterThan" },
              },
            },
          },
        ],
      },
    },
    {
      transformer: {
        name: "replace",
        forwardInputFields: true,
        specs: [
          {
            sourceField: "customer.phone",
            targetField: "customer.phone",
            transformation: {
              transformationType: "TransformMapRegex",
              mapRegexArgs: { regex: "[0-9]{4}$", replace: "xxxx" },
            },
          },
        ],
      },
    },
    { redactor: { name: "remove", rules: [{ paths: ["customer.email"], drop: true }] } },
  ],
};

function eventText(bytes: number): string {
  const items: object[] = [];
  const event = {
    order: { id: 123456, total: 250.25, currency: "EUR" },
    customer: { name: "Ann Example", phone: "+49 30 5550 1234-567", email: "ann@example.org" },
    items,
  };
  while (JSON.stringify(event).length < bytes)
    items.push({ sku: `sku-${items.length}`, count: 2, price: 19.95, tags: ["a", "b"] });
  return JSON.stringify(event);
}

type Part = { name: string; run: () => void };

/** Nanoseconds per call, by round. */
function measure(part: Part): number[] {
  const rounds: number[] = [];
  for (let i = 0; i < EVENTS_PER_ROUND; i++) part.run(); // warm-up
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < EVENTS_PER_ROUND; i++) part.run();
    rounds.push(Number(process.hrtime.bigint() - start) / EVENTS_PER_ROUND);
  }
  return rounds.sort((a, b) => a - b);
}

function show(name: string, rounds: number[]): number {
  const at = (share: number) => (rounds[Math.floor((rounds.length - 1) * share)] as number) / 1000;
  process.stdout.write(`${name.padEnd(52)} ${at(0.5).toFixed(2)} µs   (${at(0).toFixed(2)} to ${at(1).toFixed(2)})\n`);
  return at(0.5);
}

function linked(ports: Ports): LinkedPlan {
  const { plan } = loadConfig(JSON.stringify(config), { file: "bench", regexps: re2Regexps(), systemForm: findSystem });
  if (plan === undefined) throw new Error("the benchmark's configuration is wrong");
  return link(plan, ports);
}

function parse(text: string): Event {
  return newEvent(parseText(text, 0, text.length, 64).value as JsonObject, text, 0, text.length);
}

const ports: Ports = { ...testPorts(), regexps: re2Regexps() };
const plan = linked(ports);
const [pipeline] = plan.pipelines;
if (pipeline === undefined) throw new Error("no pipeline");

const small = eventText(1000);
const large = eventText(16_000);
const parsed = parse(small);
let sink = 0;

function runWhole(text: string): string {
  const context = newRunContext(parse(text), ports);
  runPipelines(plan.pipelines, context, 0);
  return writeEvent(context.event);
}

process.stdout.write(
  `Node ${process.version}, ${small.length}-byte event, ${ROUNDS} rounds of ${EVENTS_PER_ROUND}\n\n`,
);
show(
  "JSON.parse alone",
  measure({ name: "", run: () => void (sink += (JSON.parse(small) as JsonObject) === null ? 1 : 0) }),
);
show("parse: scan, JSON.parse, count keys", measure({ name: "", run: () => void (sink += parse(small).end) }));
for (const step of pipeline.steps) {
  const run = () => {
    const context = newRunContext({ ...parsed, side: {} }, ports);
    step.run(step, context);
  };
  show(`${step.step.process} ${step.step.name}`, measure({ name: "", run }));
}
const done = newRunContext(parse(small), ports);
runPipelines(plan.pipelines, done, 0);
show("write what changed", measure({ name: "", run: () => void (sink += writeEvent(done.event).length) }));
const whole = show("whole event", measure({ name: "", run: () => void (sink += runWhole(small).length) }));

process.stdout.write("\n16 KB event, one field changed\n");
const writes = [
  { name: "first member", value: { ...parse(large).value, order: 1 } },
  { name: "an element in the middle", value: withElement(0.5) },
  { name: "the last element", value: withElement(1) },
  { name: "a member more", value: { ...parse(large).value, added: 1 } },
].map(({ name, value }) => {
  const event = parse(large);
  // The changed tree shares the rest with the parsed one, as a process leaves it.
  event.value = share(value, event.value);
  return show(`write: ${name}`, measure({ name: "", run: () => void (sink += writeEvent(event).length) }));
});
const large16 = parse(large).value;
const stringify = show(
  "JSON.stringify",
  measure({ name: "", run: () => void (sink += JSON.stringify(large16).length) }),
);
const slowest = Math.max(...writes);

process.stdout.write("\n");
const before = process.memoryUsage().rss;
for (let i = 0; i < SOAK_EVENTS; i++) sink += runWhole(small).length;
const growth = (process.memoryUsage().rss - before) / 1024 / 1024;
process.stdout.write(`RSS after ${SOAK_EVENTS} more events: ${growth >= 0 ? "+" : ""}${growth.toFixed(1)} MiB\n\n`);
verdict("a 1 KB event through three processes, µs", whole, whole <= 12, "≤ 12");
verdict("stringify against the slowest write, 16 KB", stringify / slowest, stringify / slowest >= 2, "≥ 2");
if (sink === 0) process.stdout.write("");

function withElement(share: number): JsonObject {
  const value = parse(large).value;
  const items = [...(value.items as JsonObject[])];
  const at = Math.floor((items.length - 1) * share);
  items[at] = { ...items[at], count: 3 };
  return { ...value, items };
}

// Equal members of `value` are those of `parsed`.
function share(value: JsonValue, parsed: JsonValue): JsonObject {
  return shareValue(value, parsed) as JsonObject;
}

function shareValue(value: JsonValue, parsed: JsonValue): JsonValue {
  if (JSON.stringify(value) === JSON.stringify(parsed)) return parsed;
  if (Array.isArray(value) && Array.isArray(parsed)) return value.map((each, i) => shareValue(each, parsed[i] ?? null));
  if (!isObject(value) || !isObject(parsed)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shareValue(each, parsed[key] ?? null)]));
}

function verdict(what: string, figure: number, met: boolean, target: string): void {
  process.stdout.write(`${met ? "met   " : "MISSED"} ${what}: ${figure.toFixed(2)} (${target})\n`);
  if (!met) process.exitCode = 1;
}
