/**
 * A thread of the pool. It links each plan once, does what it is given, and gives back what came of it with what the run did
 * to the outside (pool-ports.ts). A bug of ours ends the thread: what it held is in no state to go on.
 */
import { parentPort } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import { link } from "../core/link.ts";
import type { Plan } from "../core/plan.ts";
import { type LinkedRoute, type LinkedSection, linkRoutes, type Verdict } from "../core/routes/section.ts";
import type { FromThread, PlanCopy, Task, ThreadResult, Work } from "./pool-lane.ts";
import { type Recording, recordingPorts } from "./pool-ports.ts";
import { type Posted, type Posts, postsHere, type Split } from "./posts.ts";
import { decodeUtf8, encodeUtf8, treatContent } from "./treat-content.ts";

type ThreadPlan = { routes: LinkedRoute[]; posts: Posts; recording: Recording };
type Result = ThreadResult["result"];

const plans = new Map<number, ThreadPlan>();

/** Piscina calls this with each task. */
export async function run(task: Task): Promise<unknown> {
  try {
    return await take(task);
  } catch (bug) {
    setImmediate(() => {
      throw bug;
    });
    return new Promise(() => undefined);
  }
}

async function take(task: Task): Promise<unknown> {
  const plan = plans.get(task.plan.id) ?? linkHere(task.plan);
  const { message } = task;
  if (message === undefined || Atomics.load(message.givenUp, 0) === 1) return undefined;
  tell({ started: task.id });
  const startMs = performance.now();
  const done = perform(plan, message);
  const ns = done instanceof Promise ? -1 : (performance.now() - startMs) * 1e6;
  return resultOf(message.kind, await done, ns, plan.recording);
}

function perform(plan: ThreadPlan, work: Work): Result | Promise<Result> {
  switch (work.kind) {
    case "section": {
      const section = plan.routes[work.route]?.[work.direction] as LinkedSection; // the main thread holds the same plan
      return treatContent(section, work.content, work.http, work.contentType);
    }
    case "post":
      return plan.posts.post(work);
    case "split":
      return plan.posts.split(work);
    case "event":
      return plan.posts.event(work);
  }
}

function linkHere(copy: PlanCopy): ThreadPlan {
  const plan = JSON.parse(decodeUtf8(copy.json) as string) as Plan;
  const recording = recordingPorts(copy.keys, copy.teesWait);
  const { ports } = recording;
  const linked = link(plan, ports);
  const posts = postsHere({ pipelines: linked.pipelines, ports });
  const known = { routes: linkRoutes(linked, ports), posts, recording };
  plans.set(copy.id, known);
  recording.onClose(() => plans.delete(copy.id));
  tell({ plan: copy.id, ports: recording.remote });
  return known;
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message, "ports" in message ? Object.values(message.ports) : []);
}

function resultOf(kind: Work["kind"], result: Result, ns: number, recording: Recording): unknown {
  const whole: ThreadResult = { result, effects: recording.take(), ns };
  return move({ [transferableSymbol]: transfersOf(kind, result), [valueSymbol]: whole });
}

/** Makes what is large go over without a copy. */
function transfersOf(kind: Work["kind"], result: Result): ArrayBufferLike[] {
  switch (kind) {
    case "section": {
      const verdict = result as Verdict;
      verdict.text = undefined; // the bytes are enough
      if (verdict.would !== undefined) verdict.would.text = undefined; // nobody reads what did not become of it
      if (verdict.bytes === undefined) return [];
      verdict.bytes = ownBytes(verdict.bytes);
      return [verdict.bytes.buffer];
    }
    case "post": {
      const { answer } = result as Posted;
      if (typeof answer.body === "string") answer.body = encodeUtf8(answer.body);
      answer.body = ownBytes(answer.body);
      return [answer.body.buffer];
    }
    case "split": {
      const whole = result as Split;
      const bytes = ownBytes(Buffer.concat(whole.payloads));
      let end = 0;
      whole.payloads = whole.payloads.map(({ length }) => {
        end += length;
        return bytes.subarray(end - length, end);
      });
      return [bytes.buffer];
    }
    case "event":
      return [];
  }
}

// Node cuts small buffers out of a shared one, which cannot be given away.
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
