/**
 * Transformations by a command (agglo-behaviour 3.6): TransformMap runs it for each element, member or the whole; the
 * folds run it from one end of an array to the other.
 *
 * Mended (B18, B20): each run has its own input; any JSON value is a result, one made from a string too; the folds fold.
 */
import { Truth } from "../condition/evaluate.ts";
import type { RunContext } from "../context.ts";
import {
  copyObject,
  hasOwn,
  isArray,
  isContainer,
  isObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  newObject,
  setOwn,
  typeName,
} from "../event/json.ts";
import { lookup } from "../event/path.ts";
import { stringify } from "../event/write.ts";
import { Outcome } from "../outcome.ts";
import { type Command, type CommandAnswer, commandFault, madeAnswer, runCommand, wrongAnswer } from "./command.ts";
import { applySpec, type Spec, specError, type Transformed, type TransformerSettings, writeMade } from "./spec.ts";
import { holds, type LinkedStep } from "./step.ts";
import { Transformation } from "./transformation.ts";

/** Where a fold's command finds what it answered for the element before; null for the first. */
const ACCUMULATOR_KEY = "internal:acc";

/** One event must not keep all commands to itself: an array of a client's may be long. */
const COMMANDS_MAX = 1000;

/** Runs a transformer of which a spec has a command. */
export function runWithCommands(linked: LinkedStep, context: RunContext): Outcome {
  const later = transformLater(linked, context);
  if (later === undefined) return Outcome.fault;
  context.pending = later.then((result) => {
    if ("error" in result) return commandFault(context, result, result.error);
    context.event.value = result.value;
    context.event.side = result.side;
    return Outcome.next;
  });
  return Outcome.wait;
}

/** A spec whose condition holds and whose source is there. */
type Due = { index: number; spec: Spec; source: JsonValue };

/**
 * As `transform` (transformer.ts), where a spec has a command: the step waits, then. What it makes, or what went wrong: nothing is left in
 * the context but a fault of a condition (then it is undefined). Never rejects.
 */
export function transformLater(
  linked: LinkedStep,
  context: RunContext,
): Promise<Transformed | CommandAnswer> | undefined {
  const settings = linked.step.settings as TransformerSettings; // made by compileTransformer
  const event = context.event;
  const due: Due[] = [];
  for (let i = 0; i < settings.specs.length; i++) {
    const spec = settings.specs[i] as Spec;
    const truth = holds(linked, spec.condition, context);
    if (truth === Truth.error) return undefined;
    if (truth === Truth.no) continue;
    const source = spec.source === undefined ? event.value : lookup(event, spec.source);
    if (source !== undefined) due.push({ index: i, spec, source });
  }
  const result: Transformed = { value: settings.forward ? event.value : newObject(), side: event.side };
  return applyDue(linked, due, 0, result, { context, count: 0 });
}

function applyDue(
  linked: LinkedStep,
  due: readonly Due[],
  first: number,
  result: Transformed,
  runs: CommandRuns,
): Promise<Transformed | CommandAnswer> {
  for (let i = first; i < due.length; i++) {
    const one = due[i] as Due;
    const command = one.spec.command;
    if (command !== null) {
      return transformByCommand(one.spec.type, command, one.source, runs).then((answer) => {
        if (answer.error === "") answer.error = writeMade(one.spec, answer.value, result);
        if (answer.error === "") return applyDue(linked, due, i + 1, result, runs);
        answer.error = specError(one.index, one.spec, answer.error);
        return answer;
      });
    }
    const error = applySpec(one.spec, one.source, linked.patterns, result);
    if (error !== "") return Promise.resolve(wrongAnswer(specError(one.index, one.spec, error)));
  }
  return Promise.resolve(result);
}

/** Runs of commands for one event, one after the other. */
type CommandRuns = { context: RunContext; count: number };

/** What becomes of `source`. Never rejects. */
function transformByCommand(
  type: number,
  command: Command,
  source: JsonValue,
  runs: CommandRuns,
): Promise<CommandAnswer> {
  if (source === null) return Promise.resolve(madeAnswer(null));
  if (type === Transformation.map) return map(command, source, runs);
  if (!isArray(source)) return Promise.resolve(wrong("a fold needs an array", source));
  return foldFrom(command, type === Transformation.leftFold ? source : source.slice().reverse(), 0, null, runs);
}

function wrong(what: string, found: JsonValue | undefined): CommandAnswer {
  return wrongAnswer(`${what}, found ${typeName(found)}`);
}

function map(command: Command, source: JsonValue, runs: CommandRuns): Promise<CommandAnswer> {
  if (isArray(source)) return mapElements(command, source, [], runs);
  if (isObject(source)) return mapMembers(command, source, Object.keys(source), 0, newObject(), runs);
  return runOn(command, source, runs);
}

function mapElements(
  command: Command,
  source: JsonArray,
  result: JsonArray,
  runs: CommandRuns,
): Promise<CommandAnswer> {
  if (result.length === source.length) return Promise.resolve(madeAnswer(result));
  return runOn(command, source[result.length] as JsonValue, runs).then((answer) => {
    if (answer.error !== "") return answer;
    result.push(answer.value);
    return mapElements(command, source, result, runs);
  });
}

function mapMembers(
  command: Command,
  source: JsonObject,
  keys: readonly string[],
  at: number,
  result: JsonObject,
  runs: CommandRuns,
): Promise<CommandAnswer> {
  if (at === keys.length) return Promise.resolve(madeAnswer(result));
  const key = keys[at] as string;
  return runOn(command, source[key] as JsonValue, runs).then((answer) => {
    if (answer.error !== "") return answer;
    setOwn(result, key, answer.value);
    return mapMembers(command, source, keys, at + 1, result, runs);
  });
}

function foldFrom(
  command: Command,
  source: JsonArray,
  at: number,
  accumulator: JsonValue,
  runs: CommandRuns,
): Promise<CommandAnswer> {
  if (at === source.length) return Promise.resolve(madeAnswer(accumulator));
  const element = source[at] as JsonValue;
  if (!isObject(element)) return Promise.resolve(wrong("a fold needs objects as elements", element));
  if (hasOwn(element, ACCUMULATOR_KEY)) {
    return Promise.resolve(wrong(`"${ACCUMULATOR_KEY}" of an element is the fold's own`, element[ACCUMULATOR_KEY]));
  }
  const input = copyObject(element);
  setOwn(input, ACCUMULATOR_KEY, accumulator);
  return runOn(command, input, runs).then((answer) =>
    answer.error !== "" ? answer : foldFrom(command, source, at + 1, answer.value, runs),
  );
}

function runOn(command: Command, value: JsonValue, runs: CommandRuns): Promise<CommandAnswer> {
  if (typeof value !== "string" && !isContainer(value)) {
    return Promise.resolve(wrong("a command needs an object, an array or a string", value));
  }
  runs.count++;
  if (runs.count > COMMANDS_MAX) {
    return Promise.resolve(wrongAnswer(`more than ${COMMANDS_MAX} commands for one event`));
  }
  // As the original: a string goes in as it is, anything else as a line of JSON.
  return runCommand(command, typeof value === "string" ? value : `${stringify(value)}\n`, 0, runs.context);
}
