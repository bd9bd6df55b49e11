/** `binge queue`: what a durable queue holds on disk, whether it is sound, and putting it in order. */
import { readdir } from "node:fs/promises";
import { keepDeadLetters, readDeadLetters } from "../engine/runtime/durable-log/dead-letters.ts";
import { inspectEntries, inspectSegments } from "../engine/runtime/durable-log/inspect.ts";
import { type DurableLog, openLog } from "../engine/runtime/durable-log/log.ts";
import { isLogFailure } from "../engine/runtime/durable-log/log-failure.ts";
import { nodeDisk } from "../engine/runtime/durable-log/node-disk.ts";
import { nodeTimers } from "../engine/runtime/ports.ts";
import { type Arguments, readArguments } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";

export const QUEUE_HELP = `binge queue ls|verify|export|replay|drop DIR [ID…]
  What the folder of a durable queue or of a spool holds. The first three may run beside the server that has it open.
  ls       a line per event: place, id, when it was queued, state, tries; dead letters with their reasons
  verify   reads every record; exit 1 with what is damaged and where
  export   the events, one per line; --dead: those of the dead letters
  replay   queues the dead letters again, all or those of the ids
  drop     forgets the events of the ids, or --all; --dead: dead letters`;

const OPTIONS = { all: { type: "boolean" }, dead: { type: "boolean" } } as const;

type Asked = { dir: string; ids: readonly string[]; all: boolean; dead: boolean };

const ACTIONS: { readonly [name: string]: (asked: Asked) => Promise<number> } = {
  ls,
  verify,
  export: exportEvents,
  replay,
  drop,
};

const disk = nodeDisk();

export async function queue(args: readonly string[]): Promise<number> {
  const parsed = readArguments("queue", args, OPTIONS, true);
  const [name = "", dir, ...ids] = parsed.positionals;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined || dir === undefined) {
    const names = Object.keys(ACTIONS).join(", ");
    throw new Ending(Exit.usage, `binge queue: expected one of ${names} and a folder; see binge --help`);
  }
  await requireLog(dir);
  return action({ dir, ids, all: isSet(parsed, "all"), dead: isSet(parsed, "dead") });
}

function isSet(args: Arguments, name: string): boolean {
  return args.values[name] === true;
}

async function requireLog(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => undefined);
  if (names === undefined) throw new Ending(Exit.unavailable, `binge queue: there is no folder ${dir}`);
  if (names.some((name) => /\.log(\.corrupt)?$|^dead-letters\.ndjson$|^lock$/.test(name))) return;
  const inner = names.filter((name) => /^\d+$/.test(name));
  const remedy =
    inner.length === 0 ? "" : `; a spool has a queue for each process: name one of ${inner.join(", ")} in it`;
  throw new Ending(Exit.unavailable, `binge queue: ${dir} holds no queue${remedy}`);
}

async function ls({ dir }: Asked): Promise<number> {
  for await (const { segment } of inspectSegments(disk, dir)) {
    for await (const { offset, id, queuedAtMs, attempts, dueAtMs, payload } of inspectEntries(segment)) {
      const state = dueAtMs === undefined ? "queued" : `released, due ${new Date(dueAtMs).toISOString()}`;
      say(`${offset} ${id} ${new Date(queuedAtMs).toISOString()} ${state}, tries ${attempts}, ${payload.length} bytes`);
    }
  }
  for await (const letter of readDeadLetters(disk, dir)) {
    if (letter === undefined) continue;
    const { offset, id, queuedAt, deadAt, attempts, reason } = JSON.parse(letter.line) as Record<string, unknown>;
    say(`${offset} ${id} ${queuedAt} dead since ${deadAt}, tries ${attempts}: ${reason}`);
  }
  return Exit.ok;
}

async function verify({ dir }: Asked): Promise<number> {
  let damages = 0;
  let entries = 0;
  let left = 0;
  const damaged = (line: string) => {
    damages++;
    say(line);
  };
  for await (const { segment, header, torn, lost, damagedAt } of inspectSegments(disk, dir)) {
    const { path, count } = segment;
    entries += count - lost;
    left += segment.left;
    if (header === "other") damaged(`${path}: written by another version of agglo`);
    if (damagedAt > 0) damaged(`${path}: byte ${damagedAt}: damaged, ${lost} events cannot be read`);
    if (torn) {
      say(`${path}: byte ${segment.bytes}: a write that is not finished; nobody was told of it`);
    }
  }
  let letters = 0;
  for await (const letter of readDeadLetters(disk, dir)) {
    letters++;
    if (letter === undefined) damaged(`${dir}: line ${letters} of the dead letters is damaged`);
  }
  const sum = damages === 0 ? "sound" : `${damages} ${damages === 1 ? "damage" : "damages"}`;
  say(`${sum}: ${entries} events on disk, ${left} of them not done, ${letters} dead letters`);
  return damages === 0 ? Exit.ok : Exit.findings;
}

async function exportEvents({ dir, dead }: Asked): Promise<number> {
  if (dead) {
    for await (const letter of readDeadLetters(disk, dir)) if (letter !== undefined) sayEvent(letter.payload);
    return Exit.ok;
  }
  for await (const { segment } of inspectSegments(disk, dir)) {
    for await (const { payload } of inspectEntries(segment)) sayEvent(payload);
  }
  return Exit.ok;
}

/** As one line: JSON has line ends between tokens only. */
function sayEvent(payload: Uint8Array): void {
  say(
    Buffer.from(payload)
      .toString()
      .replace(/[\r\n]/g, " "),
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Opens it for writing, as its server would. */
async function openForWriting(dir: string, nowMs: () => number): Promise<DurableLog> {
  const onProblem = (line: string) => void process.stderr.write(`${line}\n`);
  const bytesMax = Number.POSITIVE_INFINITY; // the bound is the server's
  const log = await openLog({ dir, disk, bytesMax, nowMs, timers: nodeTimers(), onProblem });
  if (!isLogFailure(log)) return log;
  const remedy = log.code === "locked" ? "; stop it first" : "";
  throw new Ending(Exit.unavailable, `binge queue: ${log.message}${remedy}`);
}

async function replay({ dir, ids }: Asked): Promise<number> {
  const log = await openForWriting(dir, Date.now);
  const replayed = new Set<string>();
  try {
    for await (const letter of readDeadLetters(disk, dir)) {
      if (letter === undefined || (ids.length > 0 && !ids.includes(letter.id))) continue;
      const answer = await log.append(letter.payload, letter.id);
      if (isLogFailure(answer)) throw new Ending(Exit.unavailable, `binge queue: ${letter.id}: ${answer.message}`);
      replayed.add(letter.id);
    }
    // Ended before this, they are queued and dead letters both: twice at worst, under the same ids.
    if (replayed.size > 0) await keepDeadLetters(disk, dir, (id) => !replayed.has(id));
  } finally {
    await log.close();
  }
  say(`${replayed.size} queued again`);
  return reportMissing(ids, replayed);
}

async function drop({ dir, ids, all, dead }: Asked): Promise<number> {
  if (all === ids.length > 0) throw new Ending(Exit.usage, "binge queue drop: name ids, or say --all");
  const isMeant = (id: string) => all || ids.includes(id);
  const dropped = new Set<string>();
  // Far in the future everything that was released is due.
  const log = await openForWriting(dir, () => Number.MAX_SAFE_INTEGER);
  try {
    if (dead) {
      await keepDeadLetters(disk, dir, (id) => {
        if (isMeant(id)) dropped.add(id);
        return !isMeant(id);
      });
    } else {
      while (log.state().inFlight < log.state().depth) {
        const entry = await log.take();
        if (entry === undefined) break;
        if (!isMeant(entry.id)) continue; // what is taken and not acked is queued again
        log.ack(entry);
        dropped.add(entry.id);
      }
    }
  } finally {
    await log.close();
  }
  say(`${dropped.size} dropped`);
  return reportMissing(ids, dropped);
}

function reportMissing(ids: readonly string[], found: ReadonlySet<string>): number {
  const missing = ids.filter((id) => !found.has(id));
  for (const id of missing) process.stderr.write(`binge queue: there is none with the id ${id}\n`);
  return missing.length === 0 ? Exit.ok : Exit.findings;
}
