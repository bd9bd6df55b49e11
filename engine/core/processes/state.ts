/** What aggregator and completer share: their store, the id of an update, what becomes of a failed one. */
import type { Compiler } from "../compiler.ts";
import { eventIdOf, fault, type RunContext, retryableFault } from "../context.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { copyObject, type JsonValue, setOwn } from "../event/json.ts";
import type { Outcome } from "../outcome.ts";
import type { Step } from "../plan.ts";
import type { StateAnswer } from "../state/update.ts";

/** Complains unless `name` is a key-value store of the file. */
export function findStore(compiler: Compiler, name: string, at: DocumentPath): void {
  const targets = compiler.plan.targets;
  const names: string[] = [];
  let otherType = "";
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i] as (typeof targets)[number];
    if (target.type === "ExternalKVStore") names.push(target.name);
    else if (target.name === name) otherType = target.type;
  }
  if (names.indexOf(name) !== -1) return;
  const message =
    otherType === "" ? `no key-value store is called "${name}"` : `"${name}" is no key-value store but ${otherType}`;
  const remedy = compiler.suggest(name, names);
  complain(compiler.report, "E_REFERENCE", at, message, remedy !== "" ? remedy : "state needs an ExternalKVStore");
}

/** The store of an aggregator's or completer's step; "" for any other process. */
export function stateStoreOf(step: Step): string {
  if (step.process !== "aggregator" && step.process !== "completer") return "";
  const settings = step.settings as { store: string } | undefined; // undefined: it could not be compiled
  return settings?.store ?? "";
}

/**
 * The same for every try of this step on this event, and no other's: a process may stand twice in a pipeline, and in
 * several.
 */
export function newUpdateId(context: RunContext): string {
  return `${eventIdOf(context)}:${context.pipelineAt}.${context.stepAt}`;
}

export function isAnswer(answer: StateAnswer | Promise<StateAnswer>): answer is StateAnswer {
  return "error" in answer;
}

export function failed(context: RunContext, store: string, answer: StateAnswer): Outcome {
  if (answer.reason === "overload") context.ports.counters.add("stateOverflows", store, 1);
  const detail = `store "${store}": ${answer.error}`;
  return answer.retryable ? retryableFault(context, answer.reason, detail) : fault(context, answer.reason, detail);
}

export function writeSide(context: RunContext, key: string, value: JsonValue): void {
  const side = copyObject(context.event.side);
  setOwn(side, key, value);
  context.event.side = side;
}
