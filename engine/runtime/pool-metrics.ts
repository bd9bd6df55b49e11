/** What the pool is doing, as metrics. */
import type { Family } from "./exposition.ts";
import { family } from "./metrics.ts";
import type { Pool } from "./pool.ts";

/** `alone`: threads that treat one message at a time; `shared`: one for messages that mostly wait. */
export function poolFamilies(pool: Pool): Family[] {
  const gauges = pool.gauges();
  const lanes = (["alone", "shared"] as const).map((kind) => ({ kind, lane: gauges[kind] ?? NONE }));
  const values = (of: keyof typeof NONE) => lanes.map(({ kind, lane }) => [[["kind", kind]], lane[of]] as const);
  return [
    family("gauge", "agglo_pool_threads", "Threads of the pool that are up.", values("threads")),
    family("gauge", "agglo_pool_running", "Messages that threads treat now.", values("running")),
    family("gauge", "agglo_pool_waiting", "Messages that wait for a thread.", values("waiting")),
    family("gauge", "agglo_pool_bytes", "Bytes of both.", values("bytes")),
  ];
}

const NONE = { threads: 0, running: 0, waiting: 0, bytes: 0 };
