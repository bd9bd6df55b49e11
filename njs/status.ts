/** What a host counts, as JSON: for a location that only operators reach. */
import { newObject, setOwn } from "../engine/core/event/json.ts";
import type { NjsFile } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";

const ITEMS_MAX = 100_000;

declare const njs: { version: string; engine?: string };

export function status(file: NjsFile, r: NginxRequest): void {
  const zones = file.zones;
  r.headersOut["Content-Type"] = "application/json";
  const engine = njs.engine === undefined ? "njs" : njs.engine;
  const report = { engine, version: njs.version, counters: newObject(), aggregations: newObject(), queued: 0 };
  if (zones !== undefined) {
    report.queued = zones.queue.items(ITEMS_MAX).length;
    copy(zones.counters.items(ITEMS_MAX), report.counters);
    copy(zones.state.items(ITEMS_MAX), report.aggregations);
  }
  r.return(200, JSON.stringify(report));
}

function copy(items: readonly (readonly [string, number])[], into: ReturnType<typeof newObject>): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as readonly [string, number];
    setOwn(into, item[0], item[1]);
  }
}
