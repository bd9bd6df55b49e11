/** A thread of pool.test.ts: does what the content type asks for, and otherwise what the real one does. */
import type { Task } from "../pool-lane.ts";
import { run as treat } from "../pool-worker.ts";

const held: unknown[] = [];

/** Longer than the deadline of the test. */
const SLOW_MS = 1000;

const FAULTS: { readonly [contentType: string]: (task: Task) => unknown } = {
  "test/exit": () => process.exit(3),
  "test/throw": () => {
    setImmediate(() => {
      throw new Error("uncaught");
    });
    return new Promise(() => undefined);
  },
  "test/bug": () => treat({ ...bug, id: 0 }),
  "test/memory": () => {
    for (;;) held.push(new Array(10_000).fill({}));
  },
  "test/spin": () => {
    for (;;);
  },
  "test/slow": async (task) => {
    const done = await treat(task);
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    return done;
  },
  "test/never": () => new Promise(() => undefined),
};

/** A task that the real program cannot have met: its plan is none. */
const bug = { plan: { id: -1, json: new Uint8Array(0), keys: new Map(), teesWait: false }, message: undefined };

export async function run(task: Task): Promise<unknown> {
  const { message } = task;
  const fault = message !== undefined && "contentType" in message ? FAULTS[message.contentType] : undefined;
  if (fault === undefined) return treat(task);
  const { parentPort } = await import("node:worker_threads");
  parentPort?.postMessage({ started: task.id });
  return fault(task);
}
