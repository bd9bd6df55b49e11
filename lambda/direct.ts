/**
 * An event by itself (`aws lambda invoke`, a step function, another service's JSON): what the last pipeline made of it is
 * the result, as in the original (agglo-behaviour 6.2); null when a continuation ended that one. Lambda's runtime has read
 * the numbers already, and writes them anew: those that a double does not hold are rounded.
 */
import type { JsonValue } from "../engine/core/event/json.ts";
import { finalText, readEvent, runEvent } from "../engine/runtime/run-text.ts";
import { type Invocation, logFailure, reasonsOf } from "./invocation.ts";

/** Rejects when a pipeline failed: Lambda tries asynchronous invocations again, under the same id. */
export async function runDirect(payload: JsonValue, invocation: Invocation): Promise<unknown> {
  const { runner, requestId, deadlineMs } = invocation;
  invocation.numbers.events++;
  const event = readEvent(JSON.stringify(payload));
  if ("unreadable" in event) return fail(invocation, [event.unreadable]);
  const { finals, failures } = await runEvent(runner, event, requestId, deadlineMs);
  if (failures.length > 0) return fail(invocation, reasonsOf(failures));
  const final = finals.at(-1);
  return final?.pipeline === runner.pipelines.at(-1)?.name && final !== undefined ? JSON.parse(finalText(final)) : null;
}

function fail(invocation: Invocation, reasons: string[]): never {
  logFailure(invocation, "event", reasons);
  const error = new Error(reasons.join("\n"));
  error.name = "EventFailed"; // Lambda's errorType
  throw error;
}
