/** Copies that wait in the shared zone, sent from time to time (js_periodic) by one worker. */
import type { NjsFile, TeeWay, Zones } from "./file.ts";
import type { Nginx } from "./nginx.ts";
import { count } from "./ports.ts";

/** Sent side by side. */
const BATCH = 32;
/** A run that lasts into the next one is ended by nginx. */
const RUN_MS = 700;
/** Tries of one copy, a second apart. */
const TRIES_MAX = 60;

declare const ngx: Nginx;

export function flush(file: NjsFile): Promise<void> {
  return flushUntil(file, file.zones as Zones, Date.now() + RUN_MS);
}

function flushUntil(file: NjsFile, zones: Zones, endMs: number): Promise<void> {
  const items = zones.queue.items(BATCH);
  const sending: Promise<boolean>[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as [string, string];
    sending.push(send(file, zones, item[0], item[1]));
  }
  return Promise.all(sending).then((sent) => {
    const goesOn = sent.length > 0 && sent.indexOf(false) === -1 && Date.now() < endMs;
    return goesOn ? flushUntil(file, zones, endMs) : undefined;
  });
}

/** True when the copy has left the queue, sent or dropped. */
function send(file: NjsFile, zones: Zones, key: string, body: string): Promise<boolean> {
  const at = key.lastIndexOf("|");
  const target = key.slice(0, at);
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key.slice(at + 1) };
  const url = (file.ways[target] as TeeWay).to;
  return ngx
    .fetch(url, { method: "POST", headers, body })
    .then(
      (response) => response.status,
      () => 0,
    )
    .then((status) => settle(zones, target, key, status));
}

function settle(zones: Zones, target: string, key: string, status: number): boolean {
  const isSent = status >= 200 && status < 300;
  const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  const tries = `tries|${key}`;
  if (!isSent && !isRefused && zones.counters.incr(tries, 1, 0) < TRIES_MAX) return false;
  zones.queue.delete(key);
  zones.counters.delete(tries);
  if (isSent) count(zones.counters, `teeSent|${target}`, 1);
  else count(zones.counters, `teeDropped|${target}|${isRefused ? "refused" : "unreachable"}`, 1);
  return true;
}
