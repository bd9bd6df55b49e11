import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventOf } from "../core/event/event.ts";
import { setOwn } from "../core/event/json.ts";
import { link } from "../core/link.ts";
import { Outcome } from "../core/outcome.ts";
import { runAll } from "../core/run-all.ts";
import { testPorts } from "../core/testing.ts";
import { checkpointsIn } from "../systems/checkpoints.ts";
import { isSystemError } from "../systems/failure.ts";
import { openFile } from "../systems/file.ts";
import { COMMAND_LIMITS, nodeCommands } from "./commands.ts";
import { loadText } from "./configuration.ts";
import { nodeTimers } from "./ports.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-resume-"));
});
afterEach(() => rm(folder, { recursive: true }));

const shell = (name: string, script: string) => ({
  spawner: { name, doSync: true, job: { runnable: { pathToExec: "/bin/sh", cmdArgs: ["-c", script] } } },
});

/** Programs and a folder that are real: count, then fail until a file is there, each tried twice. */
async function setUp() {
  const records = join(folder, "records");
  await writeFile(join(folder, "count"), "");
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    processDefinitions: [
      shell("count", `echo x >> ${folder}/count; cat`),
      shell("fail", `echo y >> ${folder}/tried; test -e ${folder}/mended && echo '{"ok":true}'`),
    ],
    pipelines: [
      {
        name: "p",
        processes: [{ name: "count" }, { name: "fail", retryStrategy: { numRetries: 1, initialBackOffMs: 40 } }],
        checkpoint: { outputConnectorRef: "records" },
      },
      { name: "q", processes: [{ name: "count" }] },
    ],
    externalSystems: [{ externalType: "ExternalLocalFile", name: "records", connectionString: records }],
  };
  const loaded = loadText(JSON.stringify(config), "t");
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  const ports = testPorts();
  ports.commands = nodeCommands({ timers: nodeTimers(), nowMs: Date.now, limits: COMMAND_LIMITS });
  return { plan: loaded.plan, ports, records };
}

test("an event whose process failed is given again and goes on where it stopped, tries and records included", async () => {
  const { plan, ports, records } = await setUp();
  await mkdir(records);
  const opened = await openFile({
    type: "ExternalLocalFile",
    lines: "",
    outputType: "localfile",
    connectionString: records,
    directory: records,
  });
  if (isSystemError(opened)) throw new Error(opened.message);
  ports.checkpoints = checkpointsIn(() => opened.port);
  const pipelines = link(plan, ports).pipelines;
  const give = () => {
    const event = eventOf({ id: 7 });
    setOwn(event.side, "internal:messageID", "5f0c");
    return runAll(pipelines, event, ports, 0);
  };
  const lines = async (name: string) => (await readFile(join(folder, name), "utf8")).split("\n").length - 1;

  const first = await give();
  expect(first.map((result) => result.outcome)).toEqual([Outcome.fault, Outcome.next]);
  expect(first[0]).toMatchObject({ pipeline: "p", process: "fail" });
  expect(first[0]?.faultDetail).toContain("ended with exit status 1");
  expect([await lines("count"), await lines("tried")]).toEqual([2, 2]);
  expect(ports.slept).toEqual([40]);
  expect(await readdir(records)).toEqual(["p:5f0c.json"]);

  await writeFile(join(folder, "mended"), "");
  const second = await give();
  expect(second.map((result) => result.outcome)).toEqual([Outcome.next, Outcome.next]);
  expect([await lines("count"), await lines("tried")]).toEqual([3, 3]); // p's count did not run again
  expect(second[0]?.event.side["internal:spawn:output"]).toMatchObject([{ count: { id: 7 } }, { fail: { ok: true } }]);
  expect(await readdir(records)).toEqual([]);
});
