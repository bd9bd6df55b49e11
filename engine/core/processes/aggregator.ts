/**
 * aggregator: keeps sums, counts, extremes and histograms over all events, by group (agglo-behaviour 3.2).
 *
 * What belongs to one group of one aggregation is one item of the state, and an event changes it in one atomic update
 * that knows how: aggregators of a pipeline share nothing but the object they are shown in, so none folds what is
 * another's (B14). A value that cannot be folded is an error of its own event, found before anything is kept (B13).
 */
import { type Compiler, readPath } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import type { DocumentPath } from "../diagnostic.ts";
import { isLeaf, lookup, type Path } from "../event/path.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import { aggregationKey, KEY_TEXT_MAX } from "../state/key.ts";
import type { Fold, StateAnswer } from "../state/update.ts";
import { AGGREGATION_TYPES, Aggregation, aggregationName, foldingOf, groupText } from "./aggregation.ts";
import { failed, findStore, isAnswer, newUpdateId, writeSide } from "./state.ts";
import { holds, type LinkedStep } from "./step.ts";

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  stateStore: { kind: "string", required: true, doc: "The key-value store that keeps the state." },
  aggregation: {
    kind: "object",
    required: true,
    doc: "What is aggregated.",
    fields: {
      key: {
        kind: "string",
        required: true,
        doc: "Path of the value. An event that has none there, or an object or array, changes nothing.",
      },
      aggregationType: {
        kind: "enum",
        required: true,
        values: AGGREGATION_TYPES,
        doc: "AggSum, AggMax, AggMin and AggAvg take numbers; AggCount anything; AggDiscreteHistogram counts each value.",
      },
      groupByKeys: {
        kind: "list",
        doc: "Paths; each value makes a level of groups. A missing one is the group `nil`, null is `<nil>`.",
        of: { kind: "string", doc: "A path." },
      },
    },
  },
  asyncCheckpoint: {
    kind: "boolean",
    doc: "true: the event does not wait for its update, and what goes wrong with it is only counted.",
  },
  forwardState: {
    kind: "boolean",
    doc: "true: the event goes on with the state of all aggregators of this pipeline under `internal:aggregation:<pipeline>`.",
  },
} as const;

export const aggregator: ProcessDefinition = {
  key: "aggregator",
  summary: "Keeps sums, counts, extremes and histograms over all events, by group.",
  waits: "may",
  fields,
  examples: [
    {
      title: "the sum of all amounts, by customer and currency",
      config: {
        name: "total",
        stateStore: "state",
        aggregation: { key: "amount", aggregationType: "AggSum", groupByKeys: ["customer.id", "currency"] },
        forwardState: true,
      },
      input: { amount: 12.5, customer: { id: 7 }, currency: "EUR" },
      output: { amount: 12.5, customer: { id: 7 }, currency: "EUR" },
      side: { "internal:aggregation:p": { "amount:AggSum": { "7": { EUR: { value: 12.5 } } } } },
    },
    {
      title: "a value that is no number is an error of its own event only",
      config: {
        name: "total",
        stateStore: "state",
        aggregation: { key: "amount", aggregationType: "AggSum" },
      },
      input: { amount: "12.5" },
      output: { amount: "12.5" },
      outcome: "fault",
    },
  ],
};

type Settings = {
  store: string;
  key: Path;
  type: number;
  groupBy: Path[];
  /** `<key>:<AggType>`: where it is shown */
  member: string;
  waits: boolean;
  forwards: boolean;
};

export function compileAggregator(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("aggregator", config.name);
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  findStore(compiler, config.stateStore, at.concat("stateStore"));
  const key = config.aggregation.key;
  const type = config.aggregation.aggregationType;
  const groupBy: Path[] = [];
  const paths = config.aggregation.groupByKeys ?? [];
  for (let i = 0; i < paths.length; i++) groupBy.push(readPath(compiler, paths[i] as string));
  step.waits = "may";
  step.settings = {
    store: config.stateStore,
    key: readPath(compiler, key),
    type,
    groupBy,
    member: `${key}:${aggregationName(type)}`,
    waits: config.asyncCheckpoint !== true,
    forwards: config.forwardState ?? false,
  } satisfies Settings;
  return step;
}

/** Where an aggregator's state is shown: two of a pipeline with the same place add to the same numbers. */
export function aggregationMember(step: Step): string {
  return (step.settings as Settings).member; // made by compileAggregator
}

export function runAggregator(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileAggregator
  const fold = newFold(linked, settings, context);
  const error = addNumbers(fold, settings, context);
  if (error !== "" && settings.waits) return fault(context, "error", error);
  if (error !== "") countFailure(context, linked.step.name);
  if (!settings.waits) return runAside(linked, settings, fold, context);
  if (fold.numbers.length === 0 && !settings.forwards) return Outcome.next;
  fold.reads = settings.forwards;
  return ask(settings, fold, context);
}

function newFold(linked: LinkedStep, settings: Settings, context: RunContext): Fold {
  const key = aggregationKey(linked.plan.partition, context.pipeline);
  return { kind: "fold", id: "", key, path: [settings.member], numbers: [], reads: false };
}

/** Adds what the event's value does, if it has one; why it cannot be folded, else "". */
function addNumbers(fold: Fold, settings: Settings, context: RunContext): string {
  const value = lookup(context.event, settings.key);
  if (value === undefined || !isLeaf(value)) return "";
  const folding = foldingOf(settings.type, value);
  if (folding.error !== "") return `"${settings.key.text}": ${folding.error}`;
  for (let i = 0; i < settings.groupBy.length; i++) {
    const path = settings.groupBy[i] as Path;
    const group = groupText(lookup(context.event, path));
    if (group.length > KEY_TEXT_MAX) {
      return `"${path.text}": a text longer than ${KEY_TEXT_MAX} characters names no group`;
    }
    fold.path.push(group);
  }
  if (settings.type === Aggregation.histogram) fold.path.push("buckets");
  fold.id = newUpdateId(context);
  fold.numbers = folding.numbers;
  return "";
}

function runAside(linked: LinkedStep, settings: Settings, fold: Fold, context: RunContext): Outcome {
  if (fold.numbers.length > 0) {
    const answer = context.ports.states.update(settings.store, fold);
    const take = (settled: StateAnswer): void => {
      if (settled.error !== "") countFailure(context, linked.step.name);
    };
    if (isAnswer(answer)) take(answer);
    else void answer.then(take);
  }
  return settings.forwards ? ask(settings, newRead(linked, settings, context), context) : Outcome.next;
}

function newRead(linked: LinkedStep, settings: Settings, context: RunContext): Fold {
  const read = newFold(linked, settings, context);
  read.reads = true;
  return read;
}

function countFailure(context: RunContext, process: string): void {
  context.ports.counters.add("stateErrors", process, 1);
}

function ask(settings: Settings, fold: Fold, context: RunContext): Outcome {
  const answer = context.ports.states.update(settings.store, fold);
  if (isAnswer(answer)) return take(settings, answer, context);
  context.pending = answer.then((settled) => take(settings, settled, context));
  return Outcome.wait;
}

function take(settings: Settings, answer: StateAnswer, context: RunContext): Outcome {
  if (answer.error !== "") return failed(context, settings.store, answer);
  if (answer.values !== undefined) writeSide(context, `internal:aggregation:${context.pipeline}`, answer.values);
  return Outcome.next;
}
