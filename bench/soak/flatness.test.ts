import { expect, test } from "vitest";
import { judgeMemory } from "./flatness.ts";

const samples = (mib: (minute: number) => number) =>
  Array.from({ length: 300 }, (_, i) => ({ seconds: 5 * i, mib: mib((5 * i) / 60) }));

test("a saw of garbage collection is flat, and so is a spike", () => {
  expect(judgeMemory(samples((minute) => 200 + 20 * (minute % 1)))).toMatchObject({ flat: true });
  expect(judgeMemory(samples((minute) => (minute > 15 && minute < 16 ? 500 : 200)))).toMatchObject({ flat: true });
});

test("less memory than at the start is flat", () => {
  expect(judgeMemory(samples((minute) => 200 - minute))).toMatchObject({ flat: true });
});

test("a leak of a MiB a minute is not, whatever saw it hides behind", () => {
  expect(judgeMemory(samples((minute) => 150 + minute))).toMatchObject({ flat: false });
  expect(judgeMemory(samples((minute) => 150 + minute + 20 * (minute % 1)))).toMatchObject({ flat: false });
});

test("a step that stays is not", () => {
  expect(judgeMemory(samples((minute) => (minute > 12 ? 170 : 150)))).toMatchObject({ flat: false });
});
