/** What stands while configurations come and go: counters, systems, commands, and what is said to the operator. */
import type { Commands, TeeTarget } from "../core/ports.ts";
import type { Verdict } from "../core/routes/section.ts";
import { type Memory, newMemory, type Stores } from "../systems/memory.ts";
import { COMMAND_LIMITS, nodeCommands, refusedCommands } from "./commands.ts";
import { nodeDisk } from "./durable-log/node-disk.ts";
import { MEMORY_BYTES_DEFAULT, type MemoryBudget, newMemoryBudget } from "./memory-budget.ts";
import { type Metrics, newMetrics } from "./metrics.ts";
import type { Pool } from "./pool.ts";
import { nodeTimers } from "./ports.ts";
import { newSecrets, type Secrets } from "./secrets.ts";
import { newSpools, type Spools } from "./spools.ts";
import { newSystemPool, type SystemPool } from "./system-pool.ts";

export type Log = (level: "info" | "warn" | "error", message: string) => void;

export type Direction = "request" | "response";

export type RuntimeOptions = {
  log: Log;
  /** what the process may hold for others, in bytes; MEMORY_BYTES_DEFAULT when left out */
  memoryBytes?: number;
  /** true: processes may run commands; left out or false: a plan whose routes do is refused */
  allowSpawn?: boolean;
  /**
   * What becomes of copies: queued and never waited for (proxies, the default); sent at once and waited for; or only
   * shown to this function, while no system but stores in memory is opened (`binge test`).
   */
  tees?: "queued" | "direct" | ((target: TeeTarget, payload: string) => void);
  /** where the `mem:` systems keep their things; in this process's memory when left out */
  stores?: Stores;
  /** where messages are treated that would hold the event loop too long; left out: it is held */
  pool?: Pool;
  /** told every verdict, after it is counted */
  onVerdict?: (route: string, direction: Direction, verdict: Verdict) => void;
};

export type Standing = {
  options: RuntimeOptions;
  /** as given, with secrets covered */
  log: Log;
  /** the same line is said once */
  warnOnce(message: string): void;
  metrics: Metrics;
  secrets: Secrets;
  /** what the `mem:` systems hold, where no other process has it */
  memory: Memory;
  /** what the process may hold for others */
  budget: MemoryBudget;
  systems: SystemPool;
  /** copies of tees on disk */
  spools: Spools;
  commands: Commands & { close(timeoutMs: number): Promise<void> };
};

export function newStanding(options: RuntimeOptions): Standing {
  const secrets = newSecrets(process.env);
  const log: Log = (level, message) => options.log(level, secrets.mask(message));
  const metrics = newMetrics();
  const memory = newMemory();
  const budget = newMemoryBudget(options.memoryBytes ?? MEMORY_BYTES_DEFAULT, metrics.counters);
  const commands =
    options.allowSpawn === true
      ? nodeCommands({ timers: nodeTimers(), nowMs: Date.now, limits: COMMAND_LIMITS })
      : refusedCommands();
  const spools = newSpools({
    disk: nodeDisk(),
    memory: budget,
    counters: metrics.counters,
    nowMs: Date.now,
    timers: nodeTimers(),
    log: (line) => log("warn", line),
  });
  return {
    options,
    log,
    warnOnce: newWarnOnce(log),
    metrics,
    secrets,
    memory,
    budget,
    systems: newSystemPool({
      budget,
      stores: options.stores ?? memory,
      secrets,
      counters: metrics.counters,
      spooled: spools.queued,
      log: (line) => log("warn", line),
    }),
    spools,
    commands,
  };
}

/** A client can provoke no more different warnings than this. */
const WARNINGS_MAX = 1000;

/** Says each warning once. */
function newWarnOnce(log: Log): (message: string) => void {
  const warned = new Set<string>();
  return (message) => {
    if (warned.size >= WARNINGS_MAX || warned.has(message)) return;
    warned.add(message);
    log("warn", message);
  };
}
