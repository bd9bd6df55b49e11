/**
 * The Commands port on Node: programs started without a shell, each with its own input, in a process group of its own so
 * that a timeout ends whatever it started too. How many run, how many wait, and how much of their input is held, is
 * bounded for the whole process; beyond that it is overload, at once.
 */
import { isUtf8 } from "node:buffer";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { CommandFailure, CommandRequest, Commands } from "../core/ports.ts";
import { errorCode, failure } from "../systems/failure.ts";
import type { Timers } from "./ports.ts";

export type CommandLimits = {
  /** running at once */
  runningMax: number;
  /** delayed, waiting for their turn and running, together */
  heldMax: number;
  /** the characters of their input, together */
  heldCharsMax: number;
};

export const COMMAND_LIMITS: CommandLimits = {
  runningMax: 16,
  heldMax: 1000,
  heldCharsMax: 32 * 1024 * 1024,
};

export type CommandOptions = { timers: Timers; nowMs(): number; limits: CommandLimits };

export type RuntimeCommands = Commands & {
  /** Takes no more, waits at most so long for those it has, then kills them. */
  close(timeoutMs: number): Promise<void>;
};

type Result = { stdout: string } | CommandFailure;

/** A command from its request to its answer. */
type Held = {
  request: CommandRequest;
  /** when it must have ended; set after its delay */
  endMs: number;
  /** ends what it is doing: its delay, its waiting in the line, its process */
  stop: (result: Result) => void;
  settle: (result: Result) => void;
  /** cancels the timer it waits in the line with */
  called: () => void;
};

type State = {
  options: CommandOptions;
  held: Set<Held>;
  line: Held[];
  chars: number;
  running: number;
  closed: boolean;
  /** called when nothing is held any more */
  idle: (() => void) | undefined;
};

export function nodeCommands(options: CommandOptions): RuntimeCommands {
  const state: State = { options, held: new Set(), line: [], chars: 0, running: 0, closed: false, idle: undefined };
  return {
    run: (request) =>
      isFull(state, request) ? overload(state) : new Promise((resolve) => hold(state, request, resolve)),
    close: (timeoutMs) => close(state, timeoutMs),
  };
}

/** For hosts that were not told they may run commands. Their plans with commands do not start, so nobody asks. */
export function refusedCommands(): RuntimeCommands {
  return {
    run: async () => failed("refused", "may not be run: commands are not allowed here", false, ""),
    close: async () => undefined,
  };
}

function failed(code: string, message: string, retryable: boolean, stderr: string): CommandFailure {
  return { ...failure(code, message, retryable), stderr };
}

function isFull(state: State, request: CommandRequest): boolean {
  const { heldMax, heldCharsMax } = state.options.limits;
  return state.closed || state.held.size >= heldMax || state.chars + request.stdin.length > heldCharsMax;
}

async function overload(state: State): Promise<CommandFailure> {
  if (state.closed) return failed("closed", "was not started: this process is ending", false, "");
  return failed("overload", `was not started: ${state.held.size} commands are held already`, true, "");
}

function hold(state: State, request: CommandRequest, resolve: (result: Result) => void): void {
  const held: Held = {
    request,
    endMs: 0,
    called: () => undefined,
    stop: (result) => held.settle(result),
    settle(result) {
      if (!state.held.delete(held)) return; // settled before
      state.chars -= request.stdin.length;
      resolve(result);
      if (state.held.size === 0) state.idle?.();
    },
  };
  state.held.add(held);
  state.chars += request.stdin.length;
  if (request.delayMs === 0) {
    enter(state, held);
    return;
  }
  const cancel = state.options.timers.after(request.delayMs, () => enter(state, held));
  held.stop = (result) => {
    cancel();
    held.settle(result);
  };
}

function enter(state: State, held: Held): void {
  held.endMs = state.options.nowMs() + held.request.timeoutMs;
  if (state.running < state.options.limits.runningMax) {
    start(state, held);
    return;
  }
  state.line.push(held);
  held.stop = (result) => {
    held.called();
    state.line.splice(state.line.indexOf(held), 1);
    held.settle(result);
  };
  const late = failed("overload", "waited for its turn for as long as it may take", true, "");
  held.called = state.options.timers.after(held.request.timeoutMs, () => held.stop(late));
}

/** A place is free: the first in the line gets it. */
function next(state: State): void {
  state.running--;
  const first = state.line.shift();
  if (first === undefined) return;
  first.called();
  start(state, first);
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

function start(state: State, held: Held): void {
  state.running++;
  const { path, args, stdin } = held.request;
  let child: Child;
  try {
    // detached: its own process group. The environment is ours, as in the original: programs such as docker live on it.
    child = spawn(path, [...args], { stdio: ["pipe", "pipe", "pipe"], detached: true, shell: false });
  } catch (thrown) {
    end(state, held, startFailure(thrown)); // an argument that no system takes, too long a list
    return;
  }
  watch(state, held, child);
  // A program may end without reading what it was given (EPIPE): how it ends says whether that was right. Without a file
  // descriptor left (EMFILE) there are no pipes, whatever the types say, and "error" follows.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(stdin);
}

/** What is kept of stderr: enough for a first line. */
const STDERR_BYTES_MAX = 1024;

function watch(state: State, held: Held, child: Child): void {
  const output: Buffer[] = [];
  let bytes = 0;
  let stderr = "";
  const finish = (result: Result): void => {
    cancel();
    end(state, held, result);
  };
  const kill = (result: Result): void => {
    killGroup(child);
    // Whoever left the group may hold the pipes for ever.
    child.stdout?.destroy();
    child.stderr?.destroy();
    finish(result);
  };
  const leftMs = Math.max(0, held.endMs - state.options.nowMs());
  const cancel = state.options.timers.after(leftMs, () => {
    kill(failed("timeout", `did not end within ${held.request.timeoutMs} ms and was killed`, true, firstLine(stderr)));
  });
  held.stop = kill;
  child.stdout?.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= held.request.outputBytesMax) {
      output.push(chunk);
      return;
    }
    const message = `wrote more than ${held.request.outputBytesMax} bytes and was killed`;
    kill(failed("output", message, false, firstLine(stderr)));
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    if (stderr.length < STDERR_BYTES_MAX) stderr += chunk.toString("utf8", 0, STDERR_BYTES_MAX - stderr.length);
  });
  child.on("error", (thrown) => finish(startFailure(thrown)));
  child.on("close", (code, signal) => {
    if (code === 0) finish(textOf(Buffer.concat(output)));
    else finish(failed("exit", exitMessage(code, signal), true, firstLine(stderr)));
  });
}

function textOf(output: Buffer): Result {
  if (isUtf8(output)) return { stdout: output.toString("utf8") };
  return failed("output", "wrote what is not UTF-8", false, "");
}

function exitMessage(code: number | null, signal: string | null): string {
  return signal === null ? `ended with exit status ${code}` : `was ended by ${signal}`;
}

function killGroup(child: Child): void {
  if (child.pid === undefined) return; // it never ran
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: the whole group has ended already
  }
}

function end(state: State, held: Held, result: Result): void {
  if (!state.held.has(held)) return; // killed, and now its process says so too
  held.settle(result);
  next(state);
}

/** What may be over when it is tried again: too many files, processes, too little memory. */
const PASSING = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM", "ETXTBSY"]);

function startFailure(thrown: unknown): CommandFailure {
  const code = errorCode(thrown);
  const why: { [code: string]: string } = {
    ENOENT: "is not there (a path, or a name on PATH, was expected)",
    EACCES: "may not be executed; chmod +x makes it a program",
    E2BIG: "has arguments longer than the system takes",
  };
  return failed(
    code,
    why[code] ?? `could not be started (${code === "" ? String(thrown) : code})`,
    PASSING.has(code),
    "",
  );
}

const LINE_CHARS_MAX = 200;

function firstLine(text: string): string {
  const line = text.trimStart().split(/[\r\n]/, 1)[0] as string; // split always gives one
  // Control characters could rewrite a terminal's earlier lines.
  return line
    .replace(/\p{Cc}/gu, " ")
    .slice(0, LINE_CHARS_MAX)
    .trimEnd();
}

async function close(state: State, timeoutMs: number): Promise<void> {
  state.closed = true;
  if (state.held.size === 0) return;
  await new Promise<void>((resolve) => {
    const cancel = state.options.timers.after(timeoutMs, () => {
      for (const held of [...state.held]) held.stop(failed("closed", "was killed: this process is ending", false, ""));
    });
    state.idle = () => {
      cancel();
      resolve();
    };
  });
}
