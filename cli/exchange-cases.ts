/** Cases of `binge test` that are exchanges: played here or by a real Envoy, compared in one way. */
import { setTimeout as delay } from "node:timers/promises";
import type { Expectation, ExpectedUpstream, TestCase } from "../engine/config/test-cases.ts";
import type { JsonValue } from "../engine/core/event/json.ts";
import {
  type CaseResult,
  jsonOf,
  schemaErrors,
  startTrial,
  type Trial,
  teeDifferences,
} from "../engine/runtime/cases.ts";
import { findDifferences } from "../engine/runtime/differences.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import type { Configuration } from "./configuration.ts";
import { bodyText, type HttpMessage, requestMessage, responseMessage } from "./http-message.ts";
import { rehearse, routeOf } from "./rehearse.ts";

/** What an exchange looks like from outside. */
export type Observed = {
  /** undefined: nothing reached it */
  upstream: HttpMessage | undefined;
  reply: HttpMessage;
};

/** Plays an exchange against a server with this runtime; `response` is what the upstream answers. */
export type Play = (runtime: Runtime, request: HttpMessage, response: HttpMessage) => Promise<Observed>;

/** In this process, with Envoy's part played (rehearse.ts). */
export const playHere: Play = async (runtime, request, response) => {
  const rehearsal = await rehearse(runtime, request, () => response);
  if (rehearsal.isCut) throw new Error("the response was refused when its headers had gone");
  return rehearsal;
};

export async function runExchangeCase(
  { plan, systems }: Configuration,
  testCase: TestCase,
  play: Play,
): Promise<CaseResult> {
  const trial = await startTrial(plan, systems);
  if ("error" in trial) return { name: testCase.name, differences: [trial.error] };
  try {
    const request = requestMessage(testCase.request ?? {}); // checkTestCases: a case that comes here has one
    const observed = await playTrial(trial, play, request, responseMessage(testCase.response));
    return { name: testCase.name, differences: exchangeDifferences(testCase.expect, observed, trial) };
  } catch (error) {
    // A reply that was cut off is an answer too.
    return {
      name: testCase.name,
      differences: [`the exchange broke off: ${error instanceof Error ? error.message : error}`],
    };
  } finally {
    await trial.close();
  }
}

const VERDICT_TIMEOUT_MS = 2000;

/** Plays an exchange to its end: a message that is not held up has its verdict when it is long on its way. */
export async function playTrial<O extends Observed>(
  { runtime, verdicts }: Pick<Trial, "runtime" | "verdicts">,
  play: (runtime: Runtime, request: HttpMessage, response: HttpMessage) => Promise<O>,
  request: HttpMessage,
  response: HttpMessage,
): Promise<O> {
  const observed = await play(runtime, request, response);
  const route = routeOf(runtime, request);
  const isDue = () =>
    (route?.request !== undefined && verdicts.request === undefined) ||
    (route?.response !== undefined && observed.upstream !== undefined && verdicts.response === undefined);
  for (const end = Date.now() + VERDICT_TIMEOUT_MS; isDue() && Date.now() < end; ) await delay(1);
  return observed;
}

/** What was told of an exchange besides what is seen from outside. */
type Told = Pick<Trial, "runtime" | "copies" | "verdicts">;

/** A line for each thing that came out otherwise than expected. */
export function exchangeDifferences(expected: Expectation, { upstream, reply }: Observed, told: Told): string[] {
  const status = Number(headerValue(reply.headers, ":status"));
  const body = jsonOf(bodyText(reply));
  return [
    ...textDifferences("verdict on the request", expected.verdicts?.request, told.verdicts.request?.kind ?? "none"),
    ...textDifferences("verdict on the response", expected.verdicts?.response, told.verdicts.response?.kind ?? "none"),
    ...textDifferences("status", expected.status, status, why(told)),
    ...textDifferences("rule", expected.rule, ruleOf(told)),
    ...messageDifferences(expected, reply, ""),
    ...(expected.schema === undefined ? [] : schemaErrors(expected.schema, body ?? null, told.runtime)),
    ...upstreamDifferences(expected.upstream, upstream),
    ...teeDifferences(expected, told.copies),
  ];
}

function ruleOf({ verdicts }: Told): string {
  return (verdicts.response?.reply ?? verdicts.request?.reply)?.rule ?? "";
}

/** Why a message was not treated, behind a status that surprises. */
function why({ verdicts }: Told): string {
  const faulted = [verdicts.request, verdicts.response].find((verdict) => verdict?.kind === "faulted");
  return faulted === undefined ? "" : ` (${faulted.reason}: ${faulted.detail})`;
}

function upstreamDifferences(expected: JsonValue | undefined, upstream: HttpMessage | undefined): string[] {
  if (expected === undefined) return [];
  if (expected === null) return upstream === undefined ? [] : ["upstream: expected nothing to reach it, and it was"];
  if (upstream === undefined) return ["upstream: nothing reached it"];
  const wanted = expected as ExpectedUpstream; // checkTestCases has seen to it
  return [
    ...textDifferences("upstream.method", wanted.method, headerValue(upstream.headers, ":method")),
    ...textDifferences("upstream.path", wanted.path, headerValue(upstream.headers, ":path")),
    ...messageDifferences(wanted, upstream, "upstream."),
  ];
}

type ExpectedMessage = Pick<ExpectedUpstream, "headers" | "body" | "contains">;

function messageDifferences({ headers, body, contains }: ExpectedMessage, found: HttpMessage, at: string): string[] {
  const differences: string[] = [];
  for (const [name, value] of Object.entries(headers ?? {})) {
    differences.push(
      ...headerDifferences(`${at}headers.${name}`, value, headerValue(found.headers, name.toLowerCase())),
    );
  }
  const text = bodyText(found);
  if (typeof body === "string") differences.push(...textDifferences(`${at}body`, body, text));
  else if (body !== undefined) differences.push(...findDifferences(body, jsonOf(text), "equal", `${at}body`));
  if (contains !== undefined) differences.push(...findDifferences(contains, jsonOf(text), "contains", `${at}body`));
  return differences;
}

function headerDifferences(at: string, wanted: JsonValue, found: string | undefined): string[] {
  if (wanted !== null) {
    const text = found === undefined ? undefined : Buffer.from(found, "latin1").toString("utf8");
    return textDifferences(at, wanted, text);
  }
  return found === undefined ? [] : [`${at}: expected not to be there, found ${JSON.stringify(found)}`];
}

function textDifferences(
  at: string,
  wanted: JsonValue | undefined,
  found: string | number | undefined,
  why = "",
): string[] {
  if (wanted === undefined || wanted === found) return [];
  const shown = found === undefined ? "nothing" : JSON.stringify(found);
  return [`${at}: expected ${JSON.stringify(wanted)}, found ${shown}${why}`];
}
