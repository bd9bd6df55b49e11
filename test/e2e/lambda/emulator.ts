/**
 * Lambda's side of a function, on real sockets: unpacks the archive, starts a container with the runtime beside it
 * (runtime.ts), hands it invocations one at a time over the runtime API, and kills it at the deadline as Lambda does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unzipSync } from "fflate";

/** What came of an invocation, or of a start. */
export type Came = { result: unknown } | { error: { errorType: string; errorMessage: string } };

export type LambdaFunction = {
  /** One at a time. A container that could not start or was killed is replaced by a new one. */
  invoke(payload: unknown, timeoutMs?: number): Promise<Came>;
  /** the lines of the log, as objects where they are JSON */
  log(): { [name: string]: unknown }[];
  /** how many containers there were */
  containers(): number;
  stop(): Promise<void>;
};

type Invocation = { id: string; payload: string; deadlineMs: number; settle(came: Came): void };

type State = {
  current: Invocation | undefined;
  /** the container that waits for an invocation */
  waiting: ServerResponse | undefined;
  container: ChildProcess | undefined;
  containers: number;
  output: string;
};

const RUNTIME = fileURLToPath(new URL("./runtime.ts", import.meta.url));
const TIMEOUT_MS = 60_000;

export async function startFunction(archive: string, environment: NodeJS.ProcessEnv = {}): Promise<LambdaFunction> {
  const root = mkdtempSync(join(tmpdir(), "agglo-lambda-"));
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(archive)))) writeFileSync(join(root, name), bytes);
  const state: State = { current: undefined, waiting: undefined, container: undefined, containers: 0, output: "" };
  const server = createServer((request, response) => void serve(state, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const env = {
    PATH: process.env.PATH,
    AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    LAMBDA_TASK_ROOT: root,
    _HANDLER: "index.handler",
    AWS_LAMBDA_FUNCTION_NAME: "agglo",
    ...environment,
  };
  return {
    invoke: (payload, timeoutMs = TIMEOUT_MS) =>
      invoke(state, payload, timeoutMs, () => startContainer(state, root, env)),
    log: () => state.output.trim().split("\n").map(readLine),
    containers: () => state.containers,
    async stop() {
      await kill(state);
      server.closeAllConnections();
      server.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function readLine(line: string): { [name: string]: unknown } {
  try {
    return JSON.parse(line) as { [name: string]: unknown };
  } catch {
    return { line };
  }
}

function startContainer(state: State, cwd: string, env: NodeJS.ProcessEnv): void {
  const child = spawn(process.execPath, [RUNTIME], { cwd, env });
  state.container = child;
  state.containers++;
  const note = (chunk: Buffer): void => {
    state.output += chunk.toString();
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  child.on("close", () => {
    if (state.container !== child) return;
    state.container = undefined;
    state.waiting = undefined;
    const errorMessage = `RequestId: ${state.current?.id} Error: Runtime exited`;
    settle(state, { error: { errorType: "Runtime.ExitError", errorMessage } });
  });
}

async function kill(state: State): Promise<void> {
  const { container } = state;
  if (container === undefined) return;
  state.container = undefined;
  state.waiting = undefined;
  container.kill("SIGKILL");
  await new Promise((resolve) => container.once("close", resolve));
}

async function invoke(state: State, payload: unknown, timeoutMs: number, start: () => void): Promise<Came> {
  if (state.current !== undefined) throw new Error("a container takes one invocation at a time");
  if (state.container === undefined) start();
  const deadlineMs = Date.now() + timeoutMs;
  const came = await new Promise<Came>((resolve) => {
    const late = (): void => {
      const errorMessage = `Task timed out after ${timeoutMs} ms`;
      void kill(state).then(() => settle(state, { error: { errorType: "Sandbox.Timedout", errorMessage } }));
    };
    const timer = setTimeout(late, timeoutMs);
    const answered = (what: Came): void => {
      clearTimeout(timer);
      resolve(what);
    };
    state.current = { id: randomUUID(), payload: JSON.stringify(payload), deadlineMs, settle: answered };
    if (state.waiting !== undefined) hand(state, state.waiting);
  });
  return came;
}

function settle(state: State, came: Came): void {
  const { current } = state;
  state.current = undefined;
  current?.settle(came);
}

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "").replace("/2018-06-01/runtime/", "");
  if (path === "invocation/next") {
    if (state.current === undefined) state.waiting = response;
    else hand(state, response);
    return;
  }
  const body = JSON.parse(await readAll(request)) as never;
  response.writeHead(202).end();
  if (path === "init/error") {
    await kill(state);
    return settle(state, { error: body });
  }
  if (path === `invocation/${state.current?.id}/error`) return settle(state, { error: body });
  if (path === `invocation/${state.current?.id}/response`) return settle(state, { result: body });
  throw new Error(`the runtime API has no ${path} now`);
}

function hand(state: State, response: ServerResponse): void {
  const { id, payload, deadlineMs } = state.current as Invocation; // whoever calls has one
  state.waiting = undefined;
  response.writeHead(200, {
    "content-type": "application/json",
    "lambda-runtime-aws-request-id": id,
    "lambda-runtime-deadline-ms": deadlineMs,
    "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-central-1:123456789012:function:agglo",
  });
  response.end(payload);
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
