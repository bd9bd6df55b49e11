/** SIGINT and SIGTERM for a verb that writes: it ends what it is at and keeps what it has; the second one ends at once. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export type Stop = {
  readonly signal: AbortSignal;
  /** what a shell calls an end by that signal: 130 or 143; only once `signal` is aborted */
  exitCode(): number;
};

export function stopOnSignal(): Stop {
  const controller = new AbortController();
  let number = 0;
  for (const name of SIGNALS) {
    process.once(name, () => {
      number = constants.signals[name];
      controller.abort();
    });
  }
  return { signal: controller.signal, exitCode: () => 128 + number };
}
