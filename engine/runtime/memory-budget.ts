/**
 * One budget of bytes for a process: what it holds for others (read buffers, bodies, decoded data, copies that wait for
 * their targets) is taken from it first and given back afterwards. Taking never waits. Whoever is told no refuses the
 * message or drops the copy: withholding half of a message would stall its connection, and with it whoever could free
 * memory (engine.md, "Memory").
 */

import type { Counters } from "../core/ports.ts";

/** What memory is held for. A message is one of the first three; copies in a tee's queue outlive theirs. */
export const MEMORY_USES = ["reads", "bodies", "decoded", "tees"] as const;
export type MemoryUse = (typeof MEMORY_USES)[number];

export type MemoryBudget = {
  /** What one use may hold when nobody else holds anything. */
  bytesMax(use: MemoryUse): number;
  /** Takes that many bytes; false: there are not that many left, nothing is taken, and it is counted. */
  tryTake(use: MemoryUse, bytes: number): boolean;
  /** Gives back what was taken, whole or in parts. More than was taken is our own bug, and thrown. */
  give(use: MemoryUse, bytes: number): void;
  gauges(): { bytesMax: number; uses: { use: MemoryUse; bytes: number }[] };
};

export const MEMORY_BYTES_DEFAULT = 256 * 1024 * 1024;
/** Below this not even one body of the default limit with its decoded form is sure to fit beside the queues. */
export const MEMORY_BYTES_MIN = 16 * 1024 * 1024;

/** Queues that fill while their targets are down leave the traffic this much: three quarters. */
const TEES_SHARE = 0.25;

type Account = { bytes: number; bytesMax: number };

export function newMemoryBudget(bytesMax: number, counters: Counters): MemoryBudget {
  const accounts: { [use in MemoryUse]: Account } = {
    reads: newAccount(bytesMax),
    bodies: newAccount(bytesMax),
    decoded: newAccount(bytesMax),
    tees: newAccount(Math.floor(bytesMax * TEES_SHARE)),
  };
  let taken = 0;
  return {
    bytesMax: (use) => accounts[use].bytesMax,
    tryTake(use, bytes) {
      const account = accounts[use];
      if (taken + bytes > bytesMax || account.bytes + bytes > account.bytesMax) {
        counters.add("memoryRefused", use, 1);
        return false;
      }
      account.bytes += bytes;
      taken += bytes;
      return true;
    },
    give(use, bytes) {
      const account = accounts[use];
      if (bytes > account.bytes) throw new Error(`${bytes} bytes given back for ${use}, ${account.bytes} were taken`);
      account.bytes -= bytes;
      taken -= bytes;
    },
    gauges: () => ({
      bytesMax,
      uses: MEMORY_USES.map((use) => ({ use, bytes: accounts[use].bytes })),
    }),
  };
}

function newAccount(bytesMax: number): Account {
  return { bytes: 0, bytesMax };
}
