/**
 * The engine alone: `npm run bench:engine`. What one event costs on one core, part by part, against the budget of issue
 * "The whole engine" (12 µs for 1 KB through three processes). Figures are medians of rounds, with their spread.
 */

import { evaluate, type LinkedCondition } from "../engine/core/condition/evaluate.ts";
import { newRunContext } from "../engine/core/context.ts";
import { type Event, newEvent } from "../engine/core/event/event.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import { parseText } from "../engine/core/event/parse.ts";
import { writeEvent } from "../engine/core/event/write.ts";
import { type LinkedPlan, link } from "../engine/core/link.ts";
import { runPipelines } from "../engine/core/pipeline.ts";
import type { Ports } from "../engine/core/ports.ts";
import { testPorts } from "../engine/core/testing.ts";
import { loadText } from "../engine/runtime/configuration.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";

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

/** Keeps the optimiser from leaving work out: every part hands its result over. */
let sink = 0;

/** Microseconds per call, by round, sorted. */
function measure(part: () => number): number[] {
  const rounds: number[] = [];
  for (let i = 0; i < EVENTS_PER_ROUND; i++) sink += part(); // warm-up
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < EVENTS_PER_ROUND; i++) sink += part();
    rounds.push(Number(process.hrtime.bigint() - start) / EVENTS_PER_ROUND / 1000);
  }
  return rounds.sort((a, b) => a - b);
}

/** Measures and prints a part; returns the median. */
function show(name: string, part: () => number): number {
  const rounds = measure(part);
  const at = (share: number) => rounds[Math.floor((rounds.length - 1) * share)] as number;
  const spread = `(${at(0).toFixed(2)} to ${at(1).toFixed(2)})`;
  process.stdout.write(`${name.padEnd(44)} ${at(0.5).toFixed(2).padStart(6)} µs   ${spread}\n`);
  return at(0.5);
}

function parse(text: string): Event {
  return newEvent(parseText(text, 0, text.length, 64).value as JsonObject, text, 0, text.length);
}

function linked(ports: Ports): LinkedPlan {
  const { plan } = loadText(JSON.stringify(config), "bench");
  if (plan === undefined) throw new Error("the benchmark's configuration is wrong");
  return link(plan, ports);
}

/** The event as a process leaves it that changed one member: everything else shared with the parsed tree. */
function changed(text: string, change: (value: JsonObject) => JsonObject): Event {
  const event = parse(text);
  event.value = change(event.value);
  return event;
}

function withElement(share: number): (value: JsonObject) => JsonObject {
  return (value) => {
    const items = [...(value.items as JsonObject[])];
    const at = Math.floor((items.length - 1) * share);
    items[at] = { ...items[at], count: 3 };
    return { ...value, items };
  };
}

function main(): void {
  const ports: Ports = { ...testPorts(), regexps: re2Regexps() };
  const { pipelines } = linked(ports);
  const steps = pipelines[0]?.steps ?? [];
  const small = eventText(1000);
  const parsed = parse(small);
  const whole = () => {
    const context = newRunContext(parse(small), ports);
    void runPipelines(pipelines, context, 0); // nothing here waits
    return writeEvent(context.event).length;
  };

  process.stdout.write(
    `Node ${process.version}, ${small.length}-byte event, ${ROUNDS} rounds of ${EVENTS_PER_ROUND}\n\n`,
  );
  show("JSON.parse alone", () => Object.keys(JSON.parse(small) as object).length);
  show("parse: scan, JSON.parse, count keys", () => parse(small).end);
  const [condition] = steps[0]?.conditions ?? [];
  const conditionUs = show("condition", () => evaluate(condition as LinkedCondition, parsed));
  for (const step of steps) {
    show(`${step.step.process} ${step.step.name}`, () => step.run(step, newRunContext({ ...parsed, side: {} }, ports)));
  }
  const done = newRunContext(parse(small), ports);
  void runPipelines(pipelines, done, 0);
  show("write what changed", () => writeEvent(done.event).length);
  const wholeUs = show("whole event", whole);

  const large = eventText(16_000);
  process.stdout.write(`\n${large.length}-byte event, one field changed\n`);
  writeUs(
    "first member",
    changed(large, (value) => ({ ...value, order: 1 })),
  );
  const middle = writeUs("an element in the middle", changed(large, withElement(0.5)));
  const last = writeUs("the last element", changed(large, withElement(1)));
  writeUs(
    "a member more",
    changed(large, (value) => ({ ...value, added: 1 })),
  );
  const value = parse(large).value;
  const stringify = show("JSON.stringify", () => JSON.stringify(value).length);

  const before = process.memoryUsage().rss;
  for (let i = 0; i < SOAK_EVENTS; i++) sink += whole();
  const growth = (process.memoryUsage().rss - before) / 1024 / 1024;
  process.stdout.write(`\nRSS after ${SOAK_EVENTS} more events: ${growth >= 0 ? "+" : ""}${growth.toFixed(1)} MiB\n\n`);
  verdict("a 1 KB event through three processes, µs", wholeUs, wholeUs <= 12, "≤ 12");
  verdict("a condition, µs", conditionUs, conditionUs <= 0.3, "≤ 0.3");
  // The writer reads up to the last change and no further, so the place decides; the middle stands for anywhere.
  verdict("stringify against write, 16 KB, in the middle", stringify / middle, stringify / middle >= 2, "≥ 2");
  process.stdout.write(`       the same at the very end: ${(stringify / last).toFixed(2)}\n`);
  verdict("MiB gained over 1,000,000 events", growth, growth <= 20, "≤ 20");
  if (!Number.isFinite(sink)) process.stdout.write("never so\n");
}

function writeUs(name: string, event: Event): number {
  return show(`write: ${name}`, () => writeEvent(event).length);
}

function verdict(what: string, figure: number, met: boolean, target: string): void {
  process.stdout.write(`${met ? "met   " : "MISSED"} ${what}: ${figure.toFixed(2)} (${target})\n`);
  if (!met) process.exitCode = 1;
}

main();
