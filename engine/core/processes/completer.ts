/**
 * completer: joins events by value (agglo-behaviour 3.3). When each of the join keys has been seen with the same value,
 * the last event is "complete", those before it are "triggered"; exactly one is complete however they race (B17).
 */
import { type Compiler, readPath } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { type JsonObject, type JsonValue, newObject, newRawNumber, setOwn } from "../event/json.ts";
import { isLeaf, lookup, type Path } from "../event/path.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { completionKey, joinText, KEY_TEXT_MAX } from "../state/key.ts";
import type { Join, StateAnswer } from "../state/update.ts";
import { failed, findStore, isAnswer, newUpdateId, writeSide } from "./state.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  stateStore: { kind: "string", required: true, doc: "The key-value store that keeps the state." },
  completion: {
    kind: "object",
    required: true,
    doc: "What is joined.",
    fields: {
      joinKeys: {
        kind: "list",
        required: true,
        doc: "Paths. An event counts for the first one at which it has a string, number or boolean.",
        of: { kind: "string", doc: "A path." },
      },
      timeoutMs: {
        kind: "integer",
        doc: "Milliseconds from a value's first event to its deadline. Absent, 0 or less: none.",
      },
    },
  },
} as const;

export const completer: ProcessDefinition = {
  key: "completer",
  summary: "Joins events by value: tells when all of several fields have been seen with the same value.",
  waits: "may",
  fields,
  examples: [
    {
      title: "an order waits for its payment",
      config: {
        name: "paid",
        stateStore: "state",
        completion: { joinKeys: ["order.id", "payment.orderId"], timeoutMs: 60_000 },
      },
      input: { order: { id: 7 } },
      output: { order: { id: 7 } },
      side: { "internal:completion:paid": "triggered" },
    },
    {
      title: "with a single join key every event is complete",
      config: { name: "seen", stateStore: "state", completion: { joinKeys: ["id"] } },
      input: { id: "a" },
      output: { id: "a" },
      side: {
        "internal:completion:seen": "complete",
        "internal:completion:state:seen": { value: "a", resolved: { id: true }, deadline: -1 },
      },
    },
  ],
};

type Settings = {
  store: string;
  /** by the original's name in states and answers */
  joinKeys: string[];
  paths: Path[];
  timeoutMs: number;
};

export function compileCompleter(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("completer", config.name);
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  findStore(compiler, config.stateStore, at.concat("stateStore"));
  const joinKeys = config.completion.joinKeys;
  const timeoutMs = config.completion.timeoutMs ?? 0;
  const paths: Path[] = [];
  for (let i = 0; i < joinKeys.length; i++) paths.push(readPath(compiler, joinKeys[i] as string));
  const path = at.concat("completion");
  if (joinKeys.length === 0) {
    complain(compiler.report, "E_VALUE", path.concat("joinKeys"), "joinKeys is empty", "name the fields to join");
  } else if (timeoutMs > 0 && differentNames(joinKeys) === 1) {
    complain(
      compiler.report,
      "W_UNUSED",
      path.concat("timeoutMs"),
      "with one join key every event is complete at once: the timeout never acts",
      "take it out, or add the other join keys",
    );
  }
  step.waits = "may";
  step.settings = { store: config.stateStore, joinKeys, paths, timeoutMs } satisfies Settings;
  return step;
}

function differentNames(names: readonly string[]): number {
  let different = 0;
  for (let i = 0; i < names.length; i++) if (names.indexOf(names[i] as string) === i) different++;
  return different;
}

export function runCompleter(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileCompleter
  const at = firstPresent(settings.paths, context);
  if (at === -1) return Outcome.next;
  const path = settings.paths[at] as Path;
  const value = lookup(context.event, path) as JsonValue;
  const text = joinText(value);
  if (text.length > KEY_TEXT_MAX) {
    return fault(context, "error", `"${path.text}": a text longer than ${KEY_TEXT_MAX} characters joins nothing`);
  }
  const join: Join = {
    kind: "join",
    id: newUpdateId(context),
    key: completionKey(linked.plan.partition, context.pipeline, linked.step.name, text),
    joinKeys: settings.joinKeys,
    joinKey: path.text,
    timeoutMs: settings.timeoutMs,
  };
  const answer = context.ports.states.update(settings.store, join);
  if (isAnswer(answer)) return take(linked, value, answer, context);
  context.pending = answer.then((settled) => take(linked, value, settled, context));
  return Outcome.wait;
}

/** The join key that the event counts for: the first in the order of the file, as in the original. Null is missing. */
function firstPresent(paths: readonly Path[], context: RunContext): number {
  for (let i = 0; i < paths.length; i++) {
    const value = lookup(context.event, paths[i] as Path);
    if (isLeaf(value) && value !== null) return i;
  }
  return -1;
}

function take(linked: LinkedStep, value: JsonValue, answer: StateAnswer, context: RunContext): Outcome {
  const settings = linked.step.settings as Settings;
  if (answer.error !== "") return failed(context, settings.store, answer);
  const name = linked.step.name;
  const status = answer.status as string; // a store answers every join with one
  writeSide(context, `internal:completion:${name}`, status);
  if (status === "complete") writeSide(context, `internal:completion:state:${name}`, stateOf(settings, value, answer));
  return Outcome.next;
}

function stateOf(settings: Settings, value: JsonValue, answer: StateAnswer): JsonObject {
  const resolved = newObject();
  for (let i = 0; i < settings.joinKeys.length; i++) setOwn(resolved, settings.joinKeys[i] as string, true);
  const state = newObject();
  setOwn(state, "value", value);
  setOwn(state, "resolved", resolved);
  // Nanoseconds, as in the original: more digits than a double has, so its text.
  setOwn(state, "deadline", answer.deadlineMs === -1 ? -1 : newRawNumber(`${answer.deadlineMs}000000`));
  return state;
}
