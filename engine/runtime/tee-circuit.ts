/**
 * Whether a target is worth trying, as tries tell it, and how often it is tried again. Plain state; the queue has the clock.
 *
 *             so many failures in a row
 *   closed ──────────────────────────────▶ open ◀──────────┐
 *     ▲                                      │ after a wait │ the probe fails: twice the wait
 *     │              an answer               ▼              │
 *     └────────────────────────────────── half open ────────┘
 *                                     (one try at a time)
 */
export type Circuit = {
  state: "closed" | "open" | "halfOpen";
  /** in a row */
  failures: number;
  /** since it was last closed */
  openings: number;
  /** half open: the try is under way */
  probing: boolean;
  openedAtMs: number;
  /** what retries are paid with */
  credit: number;
};

export type CircuitOptions = {
  /** failures in a row that open it */
  failuresMax: number;
  /** the first wait before a probe; each probe that fails doubles it, up to waitMaxMs */
  waitMs: number;
  waitMaxMs: number;
};

/** A retry costs what this many answers bring, a burst aside: a target that limps is not pushed over by retries. */
const RETRY_COST = 5;
const CREDIT_MAX = 100 * RETRY_COST;
const CREDIT_FIRST = 10 * RETRY_COST;

export function newCircuit(): Circuit {
  return {
    state: "closed",
    failures: 0,
    openings: 0,
    probing: false,
    openedAtMs: 0,
    credit: CREDIT_FIRST,
  };
}

export function mayTry(circuit: Circuit): boolean {
  return circuit.state === "closed" || (circuit.state === "halfOpen" && !circuit.probing);
}

export function tried(circuit: Circuit): void {
  circuit.probing = circuit.state === "halfOpen";
}

/** The target answered. True: it had been out of reach. */
export function answered(circuit: Circuit): boolean {
  const wasDown = circuit.state !== "closed";
  circuit.state = "closed";
  circuit.failures = 0;
  circuit.openings = 0;
  circuit.probing = false;
  circuit.credit = Math.min(CREDIT_MAX, circuit.credit + 1);
  return wasDown;
}

/** A try failed as it does when the target is down. The wait that begins now; 0: none does. */
export function failed(circuit: Circuit, nowMs: number, options: CircuitOptions): number {
  circuit.failures++;
  if (circuit.state === "open") return 0; // a try that was under way when it opened
  if (circuit.state === "closed" && circuit.failures < options.failuresMax) return 0;
  if (circuit.openings === 0) circuit.openedAtMs = nowMs;
  circuit.state = "open";
  circuit.probing = false;
  circuit.openings++;
  return Math.min(options.waitMaxMs, options.waitMs * 2 ** (circuit.openings - 1));
}

/** The wait is over. */
export function halfOpen(circuit: Circuit): void {
  if (circuit.state === "open") circuit.state = "halfOpen";
}

/** Pays for a retry; false: it must be a late one. */
export function takeRetry(circuit: Circuit): boolean {
  if (circuit.credit < RETRY_COST) return false;
  circuit.credit -= RETRY_COST;
  return true;
}
