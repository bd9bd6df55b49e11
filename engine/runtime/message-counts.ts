/**
 * What became of messages, by route and direction. Numbers in objects that are found by name once per message: this is
 * the path of every message. Always true of a server at rest:
 *
 *   received = passed + changed + refused + faulted + abandoned
 */
import type { Verdict } from "../core/routes/section.ts";
import type { CounterRow } from "./counters.ts";
import type { Family, Sample } from "./exposition.ts";
import type { Direction } from "./standing.ts";

type Tally = { received: number; abandoned: number } & { [kind in Verdict["kind"]]: number };

export type MessageCounts = {
  /** A section has got a message to treat. */
  received(route: string, direction: Direction): void;
  settled(route: string, direction: Direction, kind: Verdict["kind"]): void;
  /** The exchange ended before the message came whole. */
  abandoned(route: string, direction: Direction): void;
  /** whether any message has a verdict */
  any(): boolean;
  /** Verdicts as rows of a counter `messages`, labelled `route|direction|verdict`. */
  rows(): CounterRow[];
  families(): Family[];
};

const KINDS: readonly Verdict["kind"][] = ["passed", "changed", "refused", "faulted"];

type Tallies = { [direction in Direction]: Map<string, Tally> };

export function newMessageCounts(): MessageCounts {
  const tallies: Tallies = { request: new Map(), response: new Map() };
  const tally = (route: string, direction: Direction): Tally =>
    tallies[direction].get(route) ?? add(tallies, route, direction);
  return {
    received(route, direction) {
      tally(route, direction).received++;
    },
    settled(route, direction, kind) {
      tally(route, direction)[kind]++;
    },
    abandoned(route, direction) {
      tally(route, direction).abandoned++;
    },
    any: () => all(tallies).some(({ tally }) => KINDS.some((kind) => tally[kind] > 0)),
    rows: () => all(tallies).flatMap(rowsOf),
    families: () => families(tallies),
  };
}

/** Of all configurations that a process has had; further routes count together. */
const ROUTES_MAX = 1000;
const OTHER = "other";

function add(tallies: Tallies, route: string, direction: Direction): Tally {
  const known = tallies[direction].size < ROUTES_MAX ? undefined : tallies[direction].get(OTHER);
  if (known !== undefined) return known;
  const kept = tallies[direction].size < ROUTES_MAX ? route : OTHER;
  const tally = { received: 0, abandoned: 0, passed: 0, changed: 0, refused: 0, faulted: 0 };
  tallies[direction].set(kept, tally);
  return tally;
}

function all(tallies: Tallies): { route: string; direction: Direction; tally: Tally }[] {
  const directions: readonly Direction[] = ["request", "response"];
  return directions.flatMap((direction) =>
    [...tallies[direction]].map(([route, tally]) => ({ route, direction, tally })),
  );
}

function rowsOf({ route, direction, tally }: ReturnType<typeof all>[number]): CounterRow[] {
  const seen = KINDS.filter((kind) => tally[kind] > 0);
  return seen.map((kind) => ({ name: "messages", label: `${route}|${direction}|${kind}`, value: tally[kind] }));
}

function families(tallies: Tallies): Family[] {
  const received: Sample[] = [];
  const verdicts: Sample[] = [];
  const abandoned: Sample[] = [];
  for (const { route, direction, tally } of all(tallies)) {
    const labels: Sample["labels"] = [
      ["route", route],
      ["direction", direction],
    ];
    received.push({ suffix: "", labels, value: tally.received });
    abandoned.push({ suffix: "", labels, value: tally.abandoned });
    for (const kind of KINDS) verdicts.push({ suffix: "", labels: [...labels, ["verdict", kind]], value: tally[kind] });
  }
  return [
    counter("agglo_messages_received_total", "Messages that a route's section was given to treat.", received),
    counter("agglo_messages_total", "Messages by what became of them.", verdicts),
    counter("agglo_messages_abandoned_total", "Messages whose exchange ended before they had come whole.", abandoned),
  ];
}

function counter(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: "counter", samples };
}
