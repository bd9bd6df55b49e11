/** What `binge nginx` writes into the bundle about a file, as literals: see njs/bundle.ts. */
import type { Runnable } from "../engine/core/pipeline.ts";
import type { Plan } from "../engine/core/plan.ts";
import type { Counters, Hmacs, Pattern, States, Tees } from "../engine/core/ports.ts";
import type { Gateway } from "./gateway.ts";
import type { NginxRequest, SharedDict } from "./nginx.ts";

export type NjsFile = {
  /** functions: a module's top level runs for every request, of which most need only a part */
  plan: () => Plan;
  patterns: () => Pattern[];
  processes: { readonly [key: string]: Runnable };
  /** where tees send, by the system's name */
  ways: { readonly [system: string]: TeeWay };
  /** memory that workers share; undefined where the target has none */
  zones: Zones | undefined;
  /** What only some files need is handed in, so that the others do not carry it. */
  tees: ((file: NjsFile, r: NginxRequest, counters: Counters) => Tees) | undefined;
  hmacs: Hmacs | undefined;
  states: ((zones: Zones) => States) | undefined;
  gateway: Gateway | undefined;
};

/** log: a line of the access log in this variable; subrequest: to this location; queue: sent later to this URL. */
export type TeeWay = { way: "log" | "subrequest" | "queue"; to: string };

export type Zones = {
  counters: SharedDict<number>;
  /** copies that wait, by target and id */
  queue: SharedDict<string>;
  /** numbers of aggregators */
  state: SharedDict<number>;
};
