/** What `binge nginx` writes into the bundle about a file, as literals: see njs/bundle.ts. */
import type { Counters, Hmacs, Ports, States, Tees } from "../engine/core/ports.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import type { LinkedRoute } from "../engine/core/routes/section.ts";
import type { Gateway } from "./gateway.ts";
import type { NginxRequest, SharedDict } from "./nginx.ts";

export type NjsFile = {
  /** functions: a module's top level runs for every request, of which most need only a part */
  matches: () => { plan: RoutePlan }[];
  /**
   * Makes the route, linked; by "r" and its index. No array: njs 0.7.9 takes a number by which a function is read for its
   * text from then on, literals of the same number included (docs/adr/0008).
   */
  routes: { readonly [name: string]: (ports: Ports) => LinkedRoute };
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
