/**
 * A process of spool-kill.test.ts: offers copies to a spooled tee without end, and prints `synced N` when all up to the N-th are
 * on disk. Killed at any time. With `drain` it offers nothing, prints `empty` when the spool is, and ends.
 *
 *   node spool-process.ts FOLDER URL FIRST [drain]
 */
import { setTimeout as delay } from "node:timers/promises";
import { loadConfig } from "../../config/load.ts";
import { newRunContext } from "../../core/context.ts";
import { newEvent } from "../../core/event/event.ts";
import { runPipelines } from "../../core/pipeline.ts";
import { findSystem } from "../../systems/registry.ts";
import { re2Regexps } from "../regexps.ts";
import { newRuntime } from "../runtime.ts";
import { newStanding } from "../standing.ts";

const [folder = "", url = "", first = "", mode] = process.argv.slice(2);
const config = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
  processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "target", spool: folder } }],
  externalSystems: [{ externalType: "ExternalHttp", name: "target", connectionString: url }],
};
const loaded = loadConfig(JSON.stringify(config), { file: "test", regexps: re2Regexps(), systemForm: findSystem });
if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
const standing = newStanding({ log: (_level, line) => process.stderr.write(`${line}\n`) });
const runtime = await newRuntime(loaded.plan, loaded.systems, standing);

function offer(n: number): void {
  const text = `{"n":${n}}`;
  void runPipelines(runtime.pipelines, newRunContext(newEvent({ n }, text, 0, text.length), runtime.ports), 0);
}

function isWriting(): boolean {
  const family = standing.spools.families().find(({ name }) => name === "agglo_spool_writing_events");
  return family?.samples.some(({ value }) => value > 0) === true;
}

if (mode === "drain") {
  while (runtime.queued().events > 0) await delay(5);
  process.stdout.write("empty\n");
  await runtime.close(5000);
  process.exit(0);
}
for (let n = Number(first); ; ) {
  for (const end = n + 20; n < end; n++) offer(n);
  while (isWriting()) await delay(1);
  if (runtime.counters.snapshot().some(({ name }) => name === "teeDropped")) throw new Error("a copy was dropped");
  process.stdout.write(`synced ${n - 1}\n`);
  while (runtime.queued().events > 5000) await delay(5);
}
