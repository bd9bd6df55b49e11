/** A batch with one event that a real system does not take, for its size: that one is lost, and counted, the rest arrives. */
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../engine/config/load.ts";
import type { BatchLimits, SystemType, TeeTarget } from "../../../engine/core/ports.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../../../engine/runtime/runtime.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";
import { type Mirror, until } from "./mirror.ts";
import { stream, table, topic } from "./mirror-servers.ts";

const EVENTS = 20;
const BAD = 13;
const EVENT_BYTES = 60_000;
/** NATS and Kafka take 1 MiB, DynamoDB 400 KB: all of them together are too large for any, half of the good ones is not for two. */
const BAD_BYTES = 2_000_000;

const TARGETS: [string, string | undefined, SystemType, () => Promise<Mirror>][] = [
  ["NATS", await whyNoGoPrograms("nats-server"), "ExternalPubSub", stream],
  ["Kafka", await whyNoJavaProgram("kafka"), "ExternalPubSub", topic],
  ["DynamoDB", await whyNoJavaProgram("dynamodb-local"), "ExternalKVStore", table],
];

async function start(externalSystem: object): Promise<Runtime> {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    externalSystems: [{ ...externalSystem, name: "mirror" }],
  };
  const loaded = loadConfig(JSON.stringify(config), { file: "test", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  return await startRuntime(loaded.plan, loaded.systems, { log: () => {} });
}

function textOf(number: number): string {
  return JSON.stringify({ number, text: "x".repeat(number === BAD ? BAD_BYTES : EVENT_BYTES) });
}

describe.each(TARGETS)("a batch for %s", (_title, missing, type, open) => {
  if (missing !== undefined) process.stderr.write(`${missing}\n`);

  test.skipIf(missing !== undefined)("loses the one event that is too large", { timeout: 600_000 }, async () => {
    const mirror = await open();
    const runtime = await start(mirror.external);
    try {
      const target: TeeTarget = { type, name: "mirror", outputType: "", connectionString: "" };
      const batch: BatchLimits = { events: EVENTS, bytes: 16_000_000, ms: 60_000, codec: "ndjson" };
      for (let number = 0; number < EVENTS; number++) {
        runtime.ports.tees.offer(
          target,
          { tee: "copy", keyPrefix: "", spool: "", batch },
          `id-${number}`,
          textOf(number),
        );
      }
      await until(() => runtime.queued().events === 0);
      const numbers = await mirror.numbers();
      const good = Array.from({ length: EVENTS }, (_, number) => number).filter((number) => number !== BAD);
      expect(numbers.sort((a, b) => a - b)).toEqual(good);
      const counted = runtime.counters.snapshot().filter(({ name }) => /^tee(?:Sent|Dropped)$/.test(name));
      expect(counted.map(({ name, label, value }) => [name, label, value]).sort()).toEqual([
        ["teeDropped", "mirror|tooLarge", 1],
        ["teeSent", "mirror", EVENTS - 1],
      ]);
    } finally {
      await runtime.close(1000);
      await mirror.end();
    }
  });
});
