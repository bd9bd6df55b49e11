/**
 * A thread of the pool. It links each plan once, treats what it is given, and gives back the verdict with what the run did
 * to the outside (pool-ports.ts). A bug of ours ends the thread: what it held is in no state to go on.
 */
import { parentPort } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import { link } from "../core/link.ts";
import type { Plan } from "../core/plan.ts";
import { type LinkedRoute, type LinkedSection, linkRoutes, type Verdict } from "../core/routes/section.ts";
import type { FromThread, PlanCopy, Task, ThreadResult } from "./pool-lane.ts";
import { type Recording, recordingPorts } from "./pool-ports.ts";
import { treatContent } from "./treat-content.ts";

type ThreadPlan = { routes: LinkedRoute[]; recording: Recording };

const plans = new Map<number, ThreadPlan>();

/** Piscina calls this with each task. */
export async function run(task: Task): Promise<unknown> {
  try {
    return await perform(task);
  } catch (bug) {
    setImmediate(() => {
      throw bug;
    });
    return new Promise(() => undefined);
  }
}

async function perform(task: Task): Promise<unknown> {
  const plan = plans.get(task.plan.id) ?? linkHere(task.plan);
  const { message } = task;
  if (message === undefined || Atomics.load(message.givenUp, 0) === 1) return undefined;
  tell({ started: task.id });
  const section = plan.routes[message.route]?.[message.direction] as LinkedSection; // the main thread holds the same plan
  const startMs = performance.now();
  const treated = treatContent(section, message.content, message.http, message.contentType);
  const ns = treated instanceof Promise ? -1 : (performance.now() - startMs) * 1e6;
  return resultOf(await treated, ns, plan.recording);
}

function linkHere(copy: PlanCopy): ThreadPlan {
  const plan = JSON.parse(Buffer.from(copy.json).toString("utf8")) as Plan;
  const recording = recordingPorts(copy.keys);
  const linked = { routes: linkRoutes(link(plan, recording.ports), recording.ports), recording };
  plans.set(copy.id, linked);
  recording.onClose(() => plans.delete(copy.id));
  tell({ plan: copy.id, ports: recording.remote });
  return linked;
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message, "ports" in message ? Object.values(message.ports) : []);
}

function resultOf(verdict: Verdict, ns: number, recording: Recording): unknown {
  verdict.text = undefined; // the bytes are enough, and go over without a copy
  if (verdict.would !== undefined) verdict.would.text = undefined; // nobody reads what did not become of it
  if (verdict.bytes !== undefined) verdict.bytes = ownBytes(verdict.bytes);
  const result: ThreadResult = { verdict, effects: recording.take(), ns };
  const transfers = verdict.bytes === undefined ? [] : [verdict.bytes.buffer];
  return move({ [transferableSymbol]: transfers, [valueSymbol]: result });
}

// Node cuts small buffers out of a shared one, which cannot be given away.
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
