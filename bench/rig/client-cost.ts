/**
 * What opening a system costs a process that has named none so far: its client library, loaded now, and what it keeps.
 * `node --expose-gc bench/rig/client-cost.ts TYPE CONNECTION` prints milliseconds and bytes.
 */
import type { SystemType } from "../../engine/core/ports.ts";
import { newMemory } from "../../engine/systems/memory.ts";
import { findSystem } from "../../engine/systems/registry.ts";

const [type = "", connectionString = ""] = process.argv.slice(2);
const connection = findSystem(type as SystemType, connectionString);
if ("error" in connection) throw new Error(connection.error);

function residentBytes(): number {
  global.gc?.();
  return process.memoryUsage().rss;
}

const before = residentBytes();
const start = performance.now();
await connection.open({ name: "target", memory: newMemory() });
const ms = performance.now() - start;
process.stdout.write(`${ms.toFixed(1)} ${residentBytes() - before}\n`);
process.exit(0); // whatever the client still tries
