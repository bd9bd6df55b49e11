/** What the server knows of one message of an exchange while it is treated, and the memory that it takes. */
import type { MemoryBudget } from "../engine/runtime/memory-budget.ts";
import type { Reading } from "./admission.ts";
import type { PieceReader } from "./piece-reader.ts";
import type { Memory } from "./transport.ts";

export type MessageState = {
  headers: readonly string[] | undefined;
  reading: Reading | undefined;
  pieces: PieceReader | undefined;
  /** collected until now */
  bytes: number;
  /** of the process's memory budget, for its body */
  taken: number;
  /** received, and without a verdict yet */
  open: boolean;
};

export function newMessageState(): MessageState {
  return { headers: undefined, reading: undefined, pieces: undefined, bytes: 0, taken: 0, open: false };
}

/** False: there is not that much left, and nothing is taken. */
export function takeMemory(budget: MemoryBudget, message: MessageState, bytes: number): boolean {
  if (!budget.tryTake("bodies", bytes)) return false;
  message.taken += bytes;
  return true;
}

export function giveMemory(budget: MemoryBudget, message: MessageState, bytes: number): void {
  budget.give("bodies", bytes);
  message.taken -= bytes;
}

/** Takes or gives back what makes the message's memory that much; false: there is not that much left, and nothing is changed. */
export function holdOnly(budget: MemoryBudget, message: MessageState, bytes: number): boolean {
  if (bytes > message.taken) return takeMemory(budget, message, bytes - message.taken);
  giveMemory(budget, message, message.taken - bytes);
  return true;
}

/** What a transport may hold of messages that have come in part. */
export function memoryForReads(budget: MemoryBudget): Memory {
  return { tryTake: (bytes) => budget.tryTake("reads", bytes), give: (bytes) => budget.give("reads", bytes) };
}
