/** Tees inside nginx: none waits, none delays the message, and what cannot be kept is counted. */
import type { Counters, Tees, TeeTarget } from "../engine/core/ports.ts";
import type { NjsFile, TeeWay, Zones } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";

export function nginxTees(file: NjsFile, r: NginxRequest, counters: Counters): Tees {
  return {
    waits: false,
    offer(target, _sending, id, payload) {
      counters.add("teeOffered", target.name, 1);
      const tee = file.ways[target.name] as TeeWay;
      // One event is one line, whatever white space it came with.
      const line = payload.indexOf("\n") === -1 ? payload : payload.split(/[\r\n]+/).join(" ");
      if (tee.way === "log") log(r, tee.to, line);
      else if (tee.way === "subrequest") post(r, tee.to, id, line);
      else keep(file.zones as Zones, target, id, line, counters);
    },
    deliver: () => Promise.resolve({ error: "a tee does not wait here", retryable: false, response: "" }),
  };
}

function log(r: NginxRequest, variable: string, line: string): void {
  const before = r.variables[variable];
  r.variables[variable] = before === undefined || before === "" ? line : `${before}\n${line}`;
}

function post(r: NginxRequest, location: string, id: string, body: string): void {
  void r.subrequest(location, { method: "POST", body, args: `id=${id}`, detached: true });
}

function keep(zones: Zones, target: TeeTarget, id: string, payload: string, counters: Counters): void {
  try {
    zones.queue.add(`${target.name}|${id}`, payload);
  } catch {
    counters.add("teeDropped", `${target.name}|full`, 1);
  }
}
