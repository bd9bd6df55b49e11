import { trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterEach, describe, expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import { type LinkedSection, treat } from "../core/routes/section.ts";
import { findSystem } from "../systems/registry.ts";
import { re2Regexps } from "./regexps.ts";
import { startRuntime } from "./runtime.ts";
import { openTelemetrySpans } from "./spans.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

afterEach(() => trace.disable());

function record(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  return exporter;
}

async function send(text: string): Promise<void> {
  const config = {
    pipelines: [
      {
        name: "p",
        enableTracing: true,
        processes: [{ name: "mark", instrumentation: { enableTracing: true } }, { name: "quiet" }],
      },
    ],
    processDefinitions: [
      { annotator: { name: "mark", annotations: [{ fieldKey: "new", value: "1" }] } },
      { annotator: { name: "quiet", annotations: [{ fieldKey: "more", value: "1" }] } },
    ],
    http: { version: 1, routes: [{ name: "all", request: { pipelines: ["p"] } }] },
  };
  const loaded = loadConfig(JSON.stringify(config), { file: "t", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  const runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => undefined });
  await treat(runtime.routes[0]?.request as LinkedSection, text, undefined, "application/json", TRACEPARENT);
  await runtime.close(0);
}

test("a pipeline's span is in the request's, a process's in the pipeline's, and what is not asked for has none", async () => {
  const exporter = record();
  await send('{"a":1}');
  const [process, pipeline] = exporter.getFinishedSpans();
  expect(exporter.getFinishedSpans()).toHaveLength(2);
  expect([pipeline?.name, process?.name]).toEqual(["pipeline p", "process p.mark"]);
  expect(pipeline?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT, isRemote: true });
  expect(process?.parentSpanContext?.spanId).toBe(pipeline?.spanContext().spanId);
  expect(process?.spanContext().traceId).toBe(TRACE);
  expect(pipeline?.status.code).toBe(0);
});

test("a fault is an error of the spans it went through, and nothing of the event is in them", async () => {
  const exporter = record();
  await send('{"new":"S3CR3T"}');
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ status }) => status.code)).toEqual([2, 2]);
  expect(
    JSON.stringify(spans.map(({ name, attributes, status, events }) => [name, attributes, status, events])),
  ).not.toContain("S3CR3T");
});

describe("a traceparent", () => {
  test.each([
    ["none", ""],
    ["of zeros", `00-${"0".repeat(32)}-${PARENT}-01`],
    ["in capitals", `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ["of version ff", `ff-${TRACE}-${PARENT}-01`],
    ["with more behind that no version has", `00-${TRACE}-${PARENT}-011`],
  ])("%s begins a trace of its own", (_title, traceparent) => {
    const exporter = record();
    openTelemetrySpans()("pipeline", "p", traceparent).end(true);
    expect(exporter.getFinishedSpans()[0]?.parentSpanContext).toBeUndefined();
  });

  test("of a later version is understood", () => {
    const exporter = record();
    openTelemetrySpans()("pipeline", "p", `cc-${TRACE}-${PARENT}-01-more`).end(true);
    expect(exporter.getFinishedSpans()[0]?.parentSpanContext?.spanId).toBe(PARENT);
  });

  test("goes on to what is within where nobody records", () => {
    expect(openTelemetrySpans()("pipeline", "p", TRACEPARENT).traceparent).toBe(TRACEPARENT);
  });
});
