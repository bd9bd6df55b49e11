import { expect, test } from "vitest";
import { failure } from "../../engine/systems/failure.ts";
import { deliver, type Target } from "./deliver.ts";

const DELIVERY = {
  count: 10,
  concurrency: 1,
  ratePerSecond: undefined,
  signal: new AbortController().signal,
  onSettled() {},
};

/** Answers when it is told to. */
function heldTarget() {
  const answers: ((result: { status: number }) => void)[] = [];
  const target: Target = { send: () => new Promise((resolve) => answers.push(resolve)), close: async () => {} };
  return { target, answers };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("no more than so many are under way, and the next goes out when one is answered", async () => {
  const { target, answers } = heldTarget();
  const delivery = deliver(() => "x", target, { ...DELIVERY, concurrency: 3 });
  await settled();
  expect(answers.length).toBe(3);
  for (let i = 0; i < 10; i++) {
    answers[i]?.({ status: 200 });
    await settled();
    expect(answers.length).toBe(Math.min(10, i + 4));
  }
  expect(await delivery).toEqual({ sent: 10, accepted: 10, refused: {}, failed: {}, late: 0 });
});

test("with a rate nobody waits for answers, but where there is no room it is said", async () => {
  const { target, answers } = heldTarget();
  const open = deliver(() => "x", target, { ...DELIVERY, concurrency: 10, ratePerSecond: 1_000_000 });
  while (answers.length < 10) await settled();
  for (const answer of answers) answer({ status: 204 });
  expect(await open).toMatchObject({ sent: 10, accepted: 10, late: 0 });
  const slow: Target = {
    send: () => new Promise((resolve) => setTimeout(resolve, 5, { status: 200 })),
    close: async () => {},
  };
  expect(await deliver(() => "x", slow, { ...DELIVERY, ratePerSecond: 1_000_000 })).toMatchObject({
    sent: 10,
    late: 9,
  });
});

test("what is refused and what fails is counted by its reason", async () => {
  const results = [{ status: 503 }, failure("timeout", "", true), { status: 302 }, { status: 503 }, { status: 200 }];
  const target: Target = { send: async () => results.shift() ?? "closed", close: async () => {} };
  const counts = { sent: 5, accepted: 1, refused: { "302": 1, "503": 2 }, failed: { timeout: 1 }, late: 0 };
  expect(await deliver(() => "x", target, DELIVERY)).toEqual(counts);
});
