/** Where the traffic of tee.test.ts is mirrored to: a real system with its faults, and what is there in the end. */
import { setTimeout as delay } from "node:timers/promises";

export type Mirror = {
  external: object;
  tee: object;
  /** It takes what comes and does not answer, until `resume`. */
  pause(): Promise<void> | void;
  resume(): Promise<void> | void;
  /** Ends it as a crash does. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** numbers of the events that it holds, each as often as it is there */
  numbers(): Promise<number[]>;
  end(): Promise<void>;
};

/** Of an event, or of a batch with an event a line. */
export function numbersIn(text: string): number[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { number: number }).number);
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(50);
}
