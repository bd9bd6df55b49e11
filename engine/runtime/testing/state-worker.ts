/** A worker thread of state-channel.test.ts: runs events through a plan whose state lives in the main thread. */
import { type MessagePort, workerData } from "node:worker_threads";
import { newRunContext } from "../../core/context.ts";
import { newEvent } from "../../core/event/event.ts";
import type { JsonObject, JsonValue } from "../../core/event/json.ts";
import { link } from "../../core/link.ts";
import { runPipelines } from "../../core/pipeline.ts";
import type { Plan } from "../../core/plan.ts";
import { testPorts } from "../../core/testing.ts";
import { remoteStates } from "../state-channel.ts";

/** An event to run, by its id; the same id may come again. */
export type Task = { id: string; text: string };
/** What became of it: what its pipelines left beside it. */
export type Done = { id: string; outcome: number; side: { [key: string]: JsonValue } };
export type StateWorkerData = { plan: Plan; tasks: MessagePort; state: MessagePort };

const { plan, tasks, state } = workerData as StateWorkerData;
const ports = testPorts();
ports.states = remoteStates(state);
const { pipelines } = link(plan, ports);

async function run({ id, text }: Task): Promise<void> {
  const context = newRunContext(newEvent(JSON.parse(text) as JsonObject, text, 0, text.length), ports);
  context.event.side["internal:messageID"] = id;
  const outcome = await runPipelines(pipelines, context, 0);
  tasks.postMessage({ id, outcome, side: { ...context.event.side } } satisfies Done);
}

tasks.on("message", (task: Task) => void run(task));
