/** The samples of an example: its cases that are exchanges, sent through the live stack. */
import { setTimeout as delay } from "node:timers/promises";
import { readConfiguration } from "../../cli/configuration.ts";
import { exchangeDifferences, type Observed } from "../../cli/exchange-cases.ts";
import { type HttpMessage, requestMessage, responseMessage } from "../../cli/http-message.ts";
import { sendThrough } from "../../cli/on-envoy.ts";
import { readCases } from "../../cli/read-cases.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import type { JsonValue } from "../../engine/core/event/json.ts";
import type { Verdict } from "../../engine/core/routes/section.ts";
import type { Stack } from "./stack.ts";

export type Result = Observed & {
  request: HttpMessage;
  /** what the upstream answers when it is reached */
  response: HttpMessage;
  verdicts: { [direction: string]: Verdict };
  /** what was mirrored, by system */
  copies: { [system: string]: JsonValue[] };
  differences: string[];
};

/** Cases that say how a client and the upstream see them. */
export function readSamples(file: string): TestCase[] {
  return readCases(file, readConfiguration(file).document).filter((testCase) => testCase.request !== undefined);
}

/** `answer` becomes what the upstream of the stack answers. */
export async function runSample(
  stack: Stack,
  { request, response, expect }: TestCase,
  answer: (message: HttpMessage) => void,
): Promise<Result> {
  const verdicts: Result["verdicts"] = {};
  stack.onVerdict = (_route, direction, verdict) => {
    verdicts[direction] = verdict;
  };
  const copies: Result["copies"] = {};
  stack.onCopy = (system, payload) => {
    copies[system] = [...(copies[system] ?? []), JSON.parse(payload) as JsonValue];
  };
  const message = requestMessage(request ?? {});
  const answered = responseMessage(response);
  answer(answered);
  const observed = await sendThrough(stack, message);
  await settled(stack);
  const differences = exchangeDifferences(expect, observed, { runtime: stack.runtime, verdicts, copies });
  return { ...observed, request: message, response: answered, verdicts, copies, differences };
}

const SETTLED_TIMEOUT_MS = 10_000;

/** Waits until no copy is on its way any more. */
async function settled(stack: Stack): Promise<void> {
  for (const end = Date.now() + SETTLED_TIMEOUT_MS; stack.runtime.queued().events > 0; await delay(5)) {
    if (Date.now() > end) throw new Error("the mirrored events do not arrive");
  }
}
