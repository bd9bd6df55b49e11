/** What processes that run commands share: the command as compiled, its input, its answer. */
import type { Compiler } from "../compiler.ts";
import { fault, type RunContext, retryableFault } from "../context.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import type { JsonValue } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import type { FaultReason, Outcome } from "../outcome.ts";
import type { CommandRequest } from "../ports.ts";

export type Command = { path: string; args: readonly string[]; timeoutMs: number; outputBytesMax: number };

export const COMMAND_TIMEOUT_MS = 10_000;
export const COMMAND_TIMEOUT_MS_MAX = 3_600_000;
/** What a command may write when the file does not say more. */
export const COMMAND_OUTPUT_BYTES = 1_048_576;
export const COMMAND_OUTPUT_BYTES_MAX = 64 * 1_048_576;

/** Complains of a path or an argument that no system can start a program with. */
export function checkCommand(compiler: Compiler, path: string, at: DocumentPath): void {
  if (path === "") {
    complain(
      compiler.report,
      "E_VALUE",
      at,
      "expected the path of a program, found nothing",
      "write it, or a name on PATH",
    );
  } else if (path.indexOf("\0") !== -1) {
    complain(compiler.report, "E_VALUE", at, "a path cannot hold the character NUL", "");
  }
}

/** What a command wrote, as JSON. */
export type CommandAnswer = {
  value: JsonValue;
  /** "" or what went wrong; names the program, nothing of the event */
  error: string;
  reason: FaultReason;
  /** whether another try may help */
  retryable: boolean;
};

export function madeAnswer(value: JsonValue): CommandAnswer {
  return { value, error: "", reason: "error", retryable: false };
}

/** What another try would not mend. */
export function wrongAnswer(error: string): CommandAnswer {
  return { value: null, error, reason: "error", retryable: false };
}

/** Deeper answers would overflow whoever prints the event later. */
const ANSWER_DEPTH_MAX = 64;

/**
 * Runs the command with `stdin`. It must end with 0 and write one JSON value, or nothing, which means null. Leaves nothing
 * in the context: the run may be over by then. Never rejects.
 */
export function runCommand(
  command: Command,
  stdin: string,
  delayMs: number,
  context: RunContext,
): Promise<CommandAnswer> {
  const ports = context.ports;
  const deadlineMs = context.deadlineMs;
  // Where the run's time is up before the command's, so is the command's.
  const leftMs = deadlineMs === 0 ? command.timeoutMs : deadlineMs - ports.clock.nowMs() - delayMs;
  if (leftMs <= 0) return Promise.resolve(lateAnswer(command));
  // What the command says of its failure may quote the event: in a proxy nobody is to read that.
  const isPrivate = context.strict;
  return ports.commands.run(requestOf(command, stdin, delayMs, Math.min(command.timeoutMs, leftMs))).then((result) => {
    if ("stdout" in result) return answerOf(command, result.stdout);
    if (deadlineMs !== 0 && ports.clock.nowMs() >= deadlineMs) return lateAnswer(command);
    const said = isPrivate || result.stderr === "" ? "" : `: ${result.stderr}`;
    const failed = wrongAnswer(`"${command.path}" ${result.message}${said}`);
    failed.retryable = result.retryable;
    if (result.code === "overload") failed.reason = "overload";
    return failed;
  });
}

/** Runs the command while nobody waits for it; true when it ended with 0, whatever it wrote. Never rejects. */
export function startCommand(command: Command, stdin: string, delayMs: number, context: RunContext): Promise<boolean> {
  return context.ports.commands
    .run(requestOf(command, stdin, delayMs, command.timeoutMs))
    .then((result) => "stdout" in result);
}

function requestOf(command: Command, stdin: string, delayMs: number, timeoutMs: number): CommandRequest {
  return {
    path: command.path,
    args: command.args,
    stdin,
    delayMs,
    timeoutMs,
    outputBytesMax: command.outputBytesMax,
  };
}

function lateAnswer(command: Command): CommandAnswer {
  const late = wrongAnswer(`"${command.path}" did not end before the deadline`);
  late.reason = "timeout";
  return late;
}

function answerOf(command: Command, stdout: string): CommandAnswer {
  if (stdout.trim() === "") return madeAnswer(null);
  const parsed = parseText(stdout, 0, stdout.length, ANSWER_DEPTH_MAX);
  // A key that stands twice is no error here: the last one counts, as in the original.
  if (parsed.fault !== "unparsable") return madeAnswer(parsed.value);
  return wrongAnswer(`"${command.path}" did not write one JSON value: ${parsed.detail}`);
}

/** Ends a step with what went wrong with its command. */
export function commandFault(context: RunContext, answer: CommandAnswer, detail: string): Outcome {
  return answer.retryable ? retryableFault(context, answer.reason, detail) : fault(context, answer.reason, detail);
}
