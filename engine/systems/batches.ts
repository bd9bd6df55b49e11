/** What comes while requests are under way goes together in the next one: for systems that take many at once. */
import type { SystemError } from "../core/ports.ts";

/** One answer for all, or one for each in their order. */
export type BatchAnswer = SystemError | undefined | readonly (SystemError | undefined)[];

export type BatchOptions<T> = {
  /** requests under way at once; 1 keeps the order */
  concurrency: number;
  /** of one request, unless a single item is larger */
  bytesMax: number;
  itemsMax: number;
  /** Never rejects. */
  send(items: readonly T[]): Promise<BatchAnswer>;
};

export type Batches<T> = {
  add(item: T, bytes: number): Promise<SystemError | undefined>;
  /** Resolves when everything that was added has its answer. */
  idle(): Promise<void>;
};

type Waiting<T> = { item: T; bytes: number; resolve(answer: SystemError | undefined): void };

export function newBatches<T>(options: BatchOptions<T>): Batches<T> {
  const waiting: Waiting<T>[] = [];
  const sending = new Set<Promise<void>>();
  const start = (): void => {
    const worker = sendAll(options, waiting).then(() => void sending.delete(worker));
    sending.add(worker);
  };
  return {
    add(item, bytes) {
      return new Promise((resolve) => {
        waiting.push({ item, bytes, resolve });
        if (sending.size < options.concurrency) start();
      });
    },
    async idle() {
      while (sending.size > 0) await Promise.all(sending);
    },
  };
}

async function sendAll<T>(options: BatchOptions<T>, waiting: Waiting<T>[]): Promise<void> {
  while (waiting.length > 0) await sendBatch(options, takeBatch(options, waiting));
}

/** The first ones, as many as one request takes: one at least. */
function takeBatch<T>({ bytesMax, itemsMax }: BatchOptions<T>, waiting: Waiting<T>[]): Waiting<T>[] {
  let count = 0;
  for (let bytes = 0; count < waiting.length && count < itemsMax; count++) {
    bytes += (waiting[count] as Waiting<T>).bytes;
    if (count > 0 && bytes > bytesMax) break;
  }
  return waiting.splice(0, count);
}

async function sendBatch<T>(options: BatchOptions<T>, batch: readonly Waiting<T>[]): Promise<void> {
  const answer = await options.send(batch.map(({ item }) => item));
  if (answer !== undefined && "retryable" in answer && answer.divisible === true && batch.length > 1) {
    // One that is never taken must not take the others with it.
    const half = Math.ceil(batch.length / 2);
    await sendBatch(options, batch.slice(0, half));
    await sendBatch(options, batch.slice(half));
    return;
  }
  for (const [i, { resolve }] of batch.entries())
    resolve(answer !== undefined && "retryable" in answer ? answer : answer?.[i]);
}
