import { expect, test } from "vitest";
import type { SystemError } from "../core/ports.ts";
import { type BatchAnswer, newBatches } from "./batches.ts";
import { failure, refusedContent } from "./failure.ts";

const NEVER = refusedContent("never", "");
const FORBIDDEN = failure("forbidden", "", false);
const LATER = failure("later", "", true);

/** Sends hang until the test ends them. */
function setUp(concurrency: number, bytesMax = 100, itemsMax = 3) {
  const sent: number[][] = [];
  const ends: ((answer: BatchAnswer) => void)[] = [];
  const batches = newBatches<number>({
    concurrency,
    bytesMax,
    itemsMax,
    send(items) {
      sent.push([...items]);
      return new Promise((resolve) => ends.push(resolve));
    },
  });
  const end = async (answer: BatchAnswer): Promise<void> => {
    ends.shift()?.(answer);
    await new Promise(setImmediate);
  };
  return { batches, sent, end };
}

test("what comes while a request is under way goes together, in order, as much as one request takes", async () => {
  const { batches, sent, end } = setUp(1);
  const answers = Promise.all([0, 1, 2, 3, 4, 5].map((item) => batches.add(item, item === 5 ? 1000 : 40)));
  for (let i = 0; i < 4; i++) await end(undefined);
  expect(sent).toEqual([[0], [1, 2], [3, 4], [5]]);
  expect(await answers).toEqual(Array(6).fill(undefined));
  await batches.idle();
});

test("several requests may be under way, and no more", async () => {
  const { batches, sent, end } = setUp(2, 100, 1);
  const answers = Promise.all([0, 1, 2].map((item) => batches.add(item, 1)));
  expect(sent).toEqual([[0], [1]]);
  await end(LATER);
  expect(sent).toEqual([[0], [1], [2]]);
  await end(undefined);
  await end(undefined);
  expect(await answers).toEqual([LATER, undefined, undefined]);
});

test("each item may have its own answer", async () => {
  const { batches, end } = setUp(1);
  const answers = Promise.all([0, 1, 2].map((item) => batches.add(item, 1)));
  await end(undefined);
  await end([NEVER, undefined]);
  expect(await answers).toEqual([undefined, NEVER, undefined]);
});

test("one that is never taken fails alone, found by halves; what may be taken later is not split", async () => {
  const { batches, sent, end } = setUp(1);
  const answers = Promise.all([0, 1, 2, 3].map((item) => batches.add(item, 1)));
  await end(LATER);
  const told = [NEVER, NEVER, undefined, NEVER, undefined] satisfies (SystemError | undefined)[];
  for (const answer of told) await end(answer);
  expect(sent).toEqual([[0], [1, 2, 3], [1, 2], [1], [2], [3]]);
  expect(await answers).toEqual([LATER, undefined, NEVER, undefined]);
});

test("a refusal that is about the sender is not asked for again, one by one", async () => {
  const { batches, sent, end } = setUp(1);
  const answers = Promise.all([0, 1, 2].map((item) => batches.add(item, 1)));
  await end(undefined);
  await end(FORBIDDEN);
  expect(sent).toEqual([[0], [1, 2]]);
  expect(await answers).toEqual([undefined, FORBIDDEN, FORBIDDEN]);
});
