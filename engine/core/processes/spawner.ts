/**
 * spawner: runs a command with the event on its stdin (agglo-behaviour 3.5), without a shell.
 *
 * Mended: each run has its own input and only its stdout counts (B18); it ends after `timeoutMs` with everything it
 * started; what it writes is bounded; one that nobody waits for is counted when it fails.
 */

import type { Compiler } from "../compiler.ts";
import { addCondition } from "../condition/compile.ts";
import { Truth } from "../condition/evaluate.ts";
import { fault, type RunContext } from "../context.ts";
import { CONDITION_FIELD, type ConfigOf, NAME_FIELD, type ProcessDefinition } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { getOwn, isArray, isObject, newObject, setOwn, typeName } from "../event/json.ts";
import { writeValue } from "../event/write.ts";
import { Outcome } from "../outcome.ts";
import { newStep, type Step } from "../plan.ts";
import {
  COMMAND_OUTPUT_BYTES,
  COMMAND_OUTPUT_BYTES_MAX,
  COMMAND_TIMEOUT_MS,
  COMMAND_TIMEOUT_MS_MAX,
  type Command,
  type CommandAnswer,
  checkCommand,
  commandFault,
  runCommand,
  startCommand,
} from "./command.ts";
import { withReserved } from "./reserved.ts";
import { holds, type LinkedStep } from "./step.ts";

/** A delayed event waits in memory. */
const DELAY_MS_MAX = 3_600_000;

const fields = {
  name: NAME_FIELD,
  condition: CONDITION_FIELD,
  delayInMs: { kind: "integer", min: 0, max: DELAY_MS_MAX, doc: "How long to wait before the command is started." },
  doSync: {
    kind: "boolean",
    doc: "true: the pipeline waits, and what the command wrote stands under `internal:spawn:output`. false: it goes on at once.",
  },
  job: {
    kind: "object",
    required: true,
    doc: "What to run.",
    fields: {
      runnable: {
        kind: "object",
        required: true,
        doc: "A command.",
        fields: {
          pathToExec: {
            kind: "string",
            required: true,
            doc: "The program: a path, or a name that PATH finds. No shell reads it.",
          },
          cmdArgs: { kind: "list", doc: "Its arguments.", of: { kind: "string", doc: "One argument." } },
        },
      },
    },
  },
  timeoutMs: {
    kind: "integer",
    min: 1,
    max: COMMAND_TIMEOUT_MS_MAX,
    ours: true,
    doc: "The command is killed after so many milliseconds. Default 10000.",
  },
  outputBytes: {
    kind: "integer",
    min: 1,
    max: COMMAND_OUTPUT_BYTES_MAX,
    ours: true,
    doc: "The command is killed when it writes more. Default 1048576.",
  },
} as const;

export const spawner: ProcessDefinition = {
  key: "spawner",
  summary: "Runs a command with the event on its stdin. In a proxy only with --allow-spawn.",
  waits: "may",
  fields,
  examples: [
    {
      title: "tell a program of every event, and go on at once",
      config: { name: "notify", job: { runnable: { pathToExec: "/usr/local/bin/notify", cmdArgs: ["--json"] } } },
      input: { id: 1 },
      output: { id: 1 },
    },
  ],
};

type Settings = { command: Command; delayMs: number; sync: boolean };

/** Where synchronous spawners leave what their commands wrote. */
const SPAWN_OUTPUT_KEY = "internal:spawn:output";

export function compileSpawner(config: ConfigOf<typeof fields>, compiler: Compiler, at: DocumentPath): Step {
  const step = newStep("spawner", config.name);
  const runnable = config.job.runnable;
  const path = at.concat("job", "runnable");
  checkCommand(compiler, runnable.pathToExec, path.concat("pathToExec"));
  const args = runnable.cmdArgs ?? [];
  for (let i = 0; i < args.length; i++) {
    if ((args[i] as string).indexOf("\0") === -1) continue;
    complain(compiler.report, "E_VALUE", path.concat("cmdArgs", i), "an argument cannot hold the character NUL", "");
  }
  const settings: Settings = {
    command: {
      path: runnable.pathToExec,
      args,
      timeoutMs: config.timeoutMs ?? COMMAND_TIMEOUT_MS,
      outputBytesMax: config.outputBytes ?? COMMAND_OUTPUT_BYTES,
    },
    delayMs: config.delayInMs ?? 0,
    sync: config.doSync ?? false,
  };
  step.condition = addCondition(compiler, config.condition, at.concat("condition"));
  step.waits = settings.sync ? "always" : "never";
  step.mirrors = true;
  step.spawns = true;
  step.settings = settings;
  return step;
}

export function runSpawner(linked: LinkedStep, context: RunContext): Outcome {
  const truth = holds(linked, linked.step.condition, context);
  if (truth === Truth.error) return Outcome.fault;
  if (truth === Truth.no) return Outcome.next;
  const settings = linked.step.settings as Settings; // made by compileSpawner
  const name = linked.step.name;
  const input = `${writeValue(context.event, withReserved(context.event.value, [], context))}\n`;
  if (settings.sync) {
    context.pending = runCommand(settings.command, input, settings.delayMs, context).then((answer) =>
      settle(name, answer, context),
    );
    return Outcome.wait;
  }
  const counters = context.ports.counters;
  void startCommand(settings.command, input, settings.delayMs, context).then((succeeded) =>
    counters.add("spawned", `${name}|${succeeded ? "ended" : "failed"}`, 1),
  );
  return Outcome.next;
}

function settle(name: string, answer: CommandAnswer, context: RunContext): Outcome {
  context.ports.counters.add("spawned", `${name}|${answer.error === "" ? "ended" : "failed"}`, 1);
  if (answer.error !== "") return commandFault(context, answer, `running job: ${answer.error}`);
  if (answer.value !== null && !isObject(answer.value)) {
    const found = typeName(answer.value);
    return fault(context, "error", `running job: expected an object or null on stdout, found ${found}`);
  }
  const entry = newObject();
  setOwn(entry, name, answer.value);
  const before = getOwn(context.event.side, SPAWN_OUTPUT_KEY);
  setOwn(context.event.side, SPAWN_OUTPUT_KEY, (isArray(before) ? before : []).concat([entry]));
  return Outcome.next;
}
