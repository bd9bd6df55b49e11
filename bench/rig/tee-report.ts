/** The part of RESULTS.md that is about tees, made of what `npm run bench:tee` wrote. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DISTURBED_SHARE, figure, measuredOf } from "./figures.ts";
import { RESULTS_FOLDER, type ScenarioResult } from "./results.ts";
import { markdownTable, openTable, plain, spread, type Table } from "./tables.ts";
import { NO_TEE } from "./tee-traffic.ts";

export type TeeRound = { perSecond: number; cpuUs: number };
export type TeeResults = {
  date: string;
  versions: { [program: string]: string };
  systems: { name: string; batch: string; rounds: TeeRound[] }[];
  /** queues that are full, their target silent; in bytes */
  full: { eventBytes: number; batch: string; events: number; accounted: number; held: number }[];
  /** what a process that names such a system pays at its start; bytes of resident memory */
  clients: { name: string; rounds: { ms: number; bytes: number }[] }[];
  traffic: ScenarioResult;
};

/** The part of the newest; "": there are none. */
export async function newestTees(): Promise<string> {
  const names = (await readdir(RESULTS_FOLDER)).filter((name) => /^tees-.*\.json$/.test(name)).sort();
  const name = names.at(-1);
  if (name === undefined) return "";
  const results = JSON.parse(await readFile(join(RESULTS_FOLDER, name), "utf8")) as TeeResults;
  return teesPart(results, `results/${name}`);
}

export function systemsTable({ systems }: Pick<TeeResults, "systems">): Table {
  const rows = systems.map(({ name, batch, rounds }) => [
    `${name} ${batch}`,
    spread(figure(rounds.map(({ perSecond }) => perSecond)), 0),
    spread(figure(rounds.map(({ cpuUs }) => cpuUs)), 1),
  ]);
  return [["", "events/s", "CPU µs per event"], ...rows];
}

const mib = (bytes: number): string => plain(bytes / 1024 / 1024, 1);

export function fullTable({ full }: Pick<TeeResults, "full">): Table {
  const rows = full.map(({ eventBytes, batch, events, accounted, held }) => [
    `${plain(eventBytes, 0)} bytes, ${batch}`,
    plain(events, 0),
    mib(accounted),
    mib(held),
  ]);
  return [["", "events", "MiB accounted for", "MiB really"], ...rows];
}

export function clientsTable({ clients }: Pick<TeeResults, "clients">): Table {
  const rows = clients.map(({ name, rounds }) => [
    name,
    spread(figure(rounds.map(({ ms }) => ms)), 0),
    spread(figure(rounds.map(({ bytes }) => bytes / 1024 / 1024)), 1),
  ]);
  return [["", "ms to open", "MiB"], ...rows];
}

export function teesPart({ date, versions, systems, full, clients, traffic }: TeeResults, file: string): string {
  const load = traffic.loads[0]?.name ?? "";
  const rate = traffic.rounds[0]?.open[load]?.rate ?? 0;
  const others = figure(measuredOf(traffic.rounds, NO_TEE).map(({ othersShare }) => 100 * othersShare));
  const disturbed = (others?.median ?? 0) > 100 * DISTURBED_SHARE;
  return `## Tees

Of \`npm run bench:tee\`, ${date.slice(0, 10)}, agglo ${versions.agglo}, ${traffic.rounds.length} rounds: [every figure](${file}). Other programs took ${spread(others, 0)} %
of the machine meanwhile.${disturbed ? " That is too much for percentiles: medians and CPU say something, the spread is the others'." : ""}

Traffic through Envoy at ${plain(rate, 0)} requests a second, each copied to a system while a field is added; "added" counts
from the same without a tee. The targets run on the same two cores. Dead: nobody listens; silent: no answer ever.

${markdownTable(openTable(traffic, load))}
What goes to a system, events of 1 KB, and the CPU that our process spends on one:

${markdownTable(systemsTable({ systems }))}
A full queue of a process with the default budget, its target silent:

${markdownTable(fullTable({ full }))}
What a process pays at its start for naming a system (its client is loaded then, and only then):

${markdownTable(clientsTable({ clients }))}`;
}
