/**
 * The handler of a function, for Lambda's Node runtime: one file's pipelines, built once per container, on whatever shape
 * an invocation has.
 */
import type { SystemConfig } from "../engine/config/external-systems.ts";
import { isArray, isObject, type JsonValue } from "../engine/core/event/json.ts";
import type { Plan } from "../engine/core/plan.ts";
import type { CounterRow } from "../engine/runtime/counters.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import { runDirect } from "./direct.ts";
import { runDynamo } from "./dynamo.ts";
import { answerHttp } from "./http.ts";
import type { Invocation } from "./invocation.ts";
import { runKinesis } from "./kinesis.ts";
import { logNumbers, newLog } from "./log.ts";
import { runSqs } from "./sqs.ts";

/** Of Lambda's context object, what is read here. */
export type LambdaContext = { awsRequestId: string; getRemainingTimeInMillis(): number };

export type Handler = (payload: JsonValue, context: LambdaContext) => Promise<unknown>;

/** Rejects with a StartError that says what is missing: Lambda's init error. */
export async function newHandler(plan: Plan, systems: readonly SystemConfig[]): Promise<Handler> {
  const runtime = await startRuntime(plan, systems, { log: newLog({}), tees: "direct", allowSpawn: true });
  return (payload, context) => handle(runtime, payload, context);
}

async function handle(runtime: Runtime, payload: JsonValue, context: LambdaContext): Promise<unknown> {
  const requestId = context.awsRequestId;
  const remainingMs = context.getRemainingTimeInMillis();
  const invocation: Invocation = {
    runner: runtime,
    requestId,
    deadlineMs: Date.now() + remainingMs - marginMs(remainingMs),
    log: newLog({ requestId }),
    numbers: { events: 0, failed: 0 },
  };
  const before = runtime.counters.snapshot();
  try {
    return await runnerOf(payload)(payload, invocation);
  } finally {
    logNumbers(requestId, { ...invocation.numbers, ...growth(before, runtime.counters.snapshot()) });
  }
}

/** What is left for the answer to get out before Lambda kills the container, and with it what is done already. */
function marginMs(remainingMs: number): number {
  return Math.min(1000, remainingMs / 10);
}

type Run = (payload: JsonValue, invocation: Invocation) => Promise<unknown>;

const RECORDS: { readonly [eventSource: string]: Run } = {
  "aws:sqs": runSqs,
  "aws:kinesis": runKinesis,
  "aws:dynamodb": runDynamo,
};

/** By what the payload looks like, as AWS documents it; whatever else it is, is the event itself. */
function runnerOf(payload: JsonValue): Run {
  if (!isObject(payload)) return runDirect;
  const [record] = isArray(payload.Records) ? payload.Records : [];
  if (isObject(record) && typeof record.eventSource === "string") return RECORDS[record.eventSource] ?? runDirect;
  const context = payload.requestContext;
  // REST APIs name the method on top (payload format 1.0), HTTP APIs and function URLs below (2.0).
  const isHttp = isObject(context) && (typeof payload.httpMethod === "string" || isObject(context.http));
  return isHttp ? answerHttp : runDirect;
}

/** How far each counter has come, labels added up. */
function growth(before: readonly CounterRow[], after: readonly CounterRow[]): { [counter: string]: number } {
  const grown: { [counter: string]: number } = {};
  for (const { name, value } of after) grown[name] = (grown[name] ?? 0) + value;
  for (const { name, value } of before) grown[name] = (grown[name] ?? 0) - value;
  return Object.fromEntries(Object.entries(grown).filter(([, amount]) => amount > 0));
}
