/** What a server still has when its traffic has ended, and what it has lost account of. */
import { setTimeout as delay } from "node:timers/promises";
import { readExposition } from "../../engine/runtime/testing/exposition-reader.ts";

const TIMEOUT_MS = 30_000;

/** Sums over all series of a metric. */
type Sums = (metric: string) => number;

/** Each must come to be when nobody asks anything any more. */
const EXPECTED: readonly { says: string; holds(sum: Sums): boolean }[] = [
  { says: "streams are open", holds: (sum) => sum("agglo_streams_open") === 0 },
  { says: "memory is taken", holds: (sum) => sum("agglo_memory_bytes") === 0 },
  { says: "copies wait for their targets", holds: (sum) => sum("agglo_tee_queued_events") === 0 },
  { says: "a configuration of the past lives", holds: (sum) => sum("agglo_old_generation_streams") === 0 },
  { says: "copies were lost", holds: (sum) => isSame(sum("agglo_tee_sent_total"), sum("agglo_tee_offered_total")) },
  { says: "messages were faulted", holds: (sum) => sum("agglo_faults_total") === 0 },
  { says: "a server process was replaced", holds: (sum) => sum("agglo_server_restarts_total") === 0 },
  {
    says: "received is not passed + changed + refused + faulted + abandoned",
    holds: (sum) =>
      isSame(sum("agglo_messages_received_total"), sum("agglo_messages_total") + sum("agglo_messages_abandoned_total")),
  },
];

/** And there were some. */
function isSame(count: number, other: number): boolean {
  return count > 0 && count === other;
}

/** What does not hold even after a while, in words; `admin` is HOST:PORT. */
export async function leftovers(admin: string): Promise<string[]> {
  for (const end = performance.now() + TIMEOUT_MS; ; await delay(500)) {
    const series = readExposition(await (await fetch(`http://${admin}/metrics`)).text());
    const sum = (metric: string) => sumOf(series, metric);
    const left = EXPECTED.filter(({ holds }) => !holds(sum)).map(({ says }) => says);
    if (left.length === 0 || performance.now() > end) return left;
  }
}

function sumOf(series: ReadonlyMap<string, number>, metric: string): number {
  let sum = 0;
  for (const [name, value] of series) if (name === metric || name.startsWith(`${metric}{`)) sum += value;
  return sum;
}
