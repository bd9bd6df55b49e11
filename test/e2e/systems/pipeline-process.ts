/** A process of its own that runs events through a file's pipelines, for count-and-join.test.ts. */
import { readFileSync } from "node:fs";
import { loadConfig } from "../../../engine/config/load.ts";
import { newRunContext } from "../../../engine/core/context.ts";
import { newEvent } from "../../../engine/core/event/event.ts";
import type { JsonObject } from "../../../engine/core/event/json.ts";
import { Outcome } from "../../../engine/core/outcome.ts";
import { runPipelines } from "../../../engine/core/pipeline.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { startRuntime } from "../../../engine/runtime/runtime.ts";
import { findSystem } from "../../../engine/systems/registry.ts";

/** An event by its id; the same id may come again, here or to another process. */
export type Task = { id: string; text: string };
/** `side`: what the pipelines left beside it */
export type Done = { id: string; error: string; side: JsonObject };

const file = process.argv[2] ?? "";
const { plan, systems } = loadConfig(readFileSync(file, "utf8"), {
  file,
  regexps: re2Regexps(),
  systemForm: findSystem,
});
if (plan === undefined) throw new Error("the file has errors");
const runtime = await startRuntime(plan, systems, { log: (_, line) => process.stderr.write(`${line}\n`) });

async function run({ id, text }: Task): Promise<void> {
  const context = newRunContext(newEvent(JSON.parse(text) as JsonObject, text, 0, text.length), runtime.ports);
  context.event.side["internal:messageID"] = id;
  const outcome = await runPipelines(runtime.pipelines, context, 0);
  const error = outcome === Outcome.next ? "" : `${context.process}: ${context.faultDetail}`;
  process.send?.({ id, error, side: { ...context.event.side } } satisfies Done);
}

process.on("message", (task: Task) => void run(task));
process.on("disconnect", () => void runtime.close(0));
process.send?.("ready");
