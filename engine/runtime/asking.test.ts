import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { answerOn, newAsker, type Port } from "./asking.ts";

/** Two ends of one way, in one process. */
function ports(): { here: Port; there: Port; cut(): void } {
  const [a, b] = [new EventEmitter(), new EventEmitter()];
  const port = (own: EventEmitter, other: EventEmitter): Port => ({
    post: (message) => void other.emit("message", structuredClone(message)),
    onMessage: (listener) => void own.on("message", listener),
    onClose: (listener) => void own.on("close", listener),
  });
  return { here: port(a, b), there: port(b, a), cut: () => void a.emit("close") };
}

test("answers find their questions, in whatever order they come", async () => {
  const { here, there } = ports();
  const waiting: (() => void)[] = [];
  answerOn<number, number>(there, (n) => new Promise((resolve) => waiting.push(() => resolve(n * 2))));
  const ask = newAsker<number, number>(here, { waitingMax: 10, stuck: -1, gone: -2 });
  const answers = Promise.all([1, 2, 3].map(ask));
  await Promise.resolve();
  for (const answer of waiting.reverse()) answer();
  expect(await answers).toEqual([2, 4, 6]);
});

test("who asks too much, or nobody, hears so at once", async () => {
  const { here, there, cut } = ports();
  answerOn<number, number>(there, () => new Promise(() => {}));
  const ask = newAsker<number, number>(here, { waitingMax: 2, stuck: -1, gone: -2 });
  const open = [ask(1), ask(2)];
  expect(await ask(3)).toBe(-1);
  cut();
  expect([...(await Promise.all(open)), await ask(4)]).toEqual([-2, -2, -2]);
});
