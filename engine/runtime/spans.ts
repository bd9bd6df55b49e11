/**
 * Spans through OpenTelemetry's API. They go nowhere unless the process has an SDK registered (`node --import`), and cost
 * next to nothing then; which SDK, and where it sends, is its own configuration.
 */
import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Instruments } from "../core/ports.ts";

export function openTelemetrySpans(): Instruments["span"] {
  const tracer = trace.getTracer("agglo");
  return (kind, name, parent) => {
    const attributes = { [`agglo.${kind}`]: name };
    const span = tracer.startSpan(`${kind} ${name}`, { attributes }, contextOf(parent));
    return {
      // Where nobody records, what is within still belongs to what is around it.
      traceparent: span.isRecording() ? traceparentOf(span.spanContext()) : parent,
      end(succeeded) {
        if (!succeeded) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  };
}

/** W3C Trace Context, "traceparent": version, trace, parent, flags. Later versions may have more behind. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

function contextOf(traceparent: string): Context {
  const match = TRACEPARENT.exec(traceparent);
  if (match === null) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = ""] = match;
  const parent: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(parent) ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}
