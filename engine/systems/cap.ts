/** A bound on what clients make one process put into a store outside: names it has seen, the oldest first. */
export type Cap = {
  /** Whether one more fits; one that is known already always does. */
  admits(name: string, nowMs: number): boolean;
  release(name: string): void;
};

/** `keptMs`: names not seen for so long make room. */
export function newCap(max: number, keptMs: number): Cap {
  const seen = new Map<string, number>();
  return {
    admits(name, nowMs) {
      const known = seen.delete(name); // and to the end again
      if (!known && seen.size >= max) forgetOld(seen, nowMs - keptMs);
      if (!known && seen.size >= max) return false;
      seen.set(name, nowMs);
      return true;
    },
    release(name) {
      seen.delete(name);
    },
  };
}

function forgetOld(seen: Map<string, number>, beforeMs: number): void {
  for (const [name, seenMs] of seen) {
    if (seenMs > beforeMs) return;
    seen.delete(name);
  }
}
