/** The ports of core inside nginx. What `binge nginx` refuses (commands, schemas, checkpoints …) is not there to be called. */
import type { Clock, Counters, Ids, Ports, Random, Regexps } from "../engine/core/ports.ts";
import type { NjsFile, Zones } from "./file.ts";
import { localTime } from "./local-time.ts";
import type { NginxRequest, SharedDict } from "./nginx.ts";

export function newPorts(file: NjsFile, r: NginxRequest): Ports {
  const counters = nginxCounters(file);
  const ports = {
    regexps,
    clock,
    ids,
    hmacs: file.hmacs,
    random,
    counters,
    tees: file.tees?.(file, r, counters),
    states: file.states?.(file.zones as Zones),
  };
  return ports as unknown as Ports;
}

/** A pattern that an event brings along is refused by `binge nginx`. */
const regexps: Regexps = { compile: () => ({ error: "cannot be compiled here" }) };

const clock: Clock = { nowMs: () => Date.now(), localTime: () => localTime(new Date()) };

// biome-ignore lint/plugin: this is the port
const random: Random = { fraction: () => Math.random() };

const ids: Ids = { uuid };

/** Version 4 (RFC 9562): the key of idempotency of a copy, no secret, so the engine's own generator will do. */
function uuid(): string {
  let text = "";
  for (let i = 0; i < 4; i++) text += (Math.floor(random.fraction() * 0x100000000) + 0x100000000).toString(16).slice(1);
  const variant = "89ab".charAt(Math.floor(random.fraction() * 4));
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-${variant}${text.slice(17, 20)}-${text.slice(20)}`;
}

/** Counted in the zone that the configuration shares between workers; nowhere where the target has none. */
function nginxCounters(file: NjsFile): Counters {
  if (file.zones === undefined) return { add: () => {} };
  const zones = file.zones;
  return { add: (name, label, amount) => count(zones.counters, `${name}|${label}`, amount) };
}

/** Adds to a counter. A zone that is full keeps the counters it has. */
export function count(counters: SharedDict<number>, key: string, amount: number): void {
  try {
    counters.incr(key, amount, 0);
  } catch {
    counters.incr("overflow", amount, 0); // made by the first message: there is always one
  }
}
