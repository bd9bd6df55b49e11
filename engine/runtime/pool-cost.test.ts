import { expect, test } from "vitest";
import { isMeasured, learn, newCost } from "./pool-cost.ts";

const MIB = 1_048_576;

test("a section's cost follows what was measured", () => {
  const cost = newCost();
  for (let i = 0; i < 40; i++) expect(learn(cost, MIB, 5 * MIB)).toBe(true);
  expect(cost.nsPerByte).toBeCloseTo(5, 2);
  for (let i = 0; i < 40; i++) learn(cost, MIB, 80 * MIB);
  expect(cost.nsPerByte).toBeCloseTo(80, 1);
});

test("what small bodies cost besides their bytes says nothing", () => {
  const cost = newCost();
  for (let i = 0; i < 1000; i++) expect(learn(cost, 50, 5000)).toBe(false);
  expect(cost.nsPerByte).toBe(newCost().nsPerByte);
});

test("a small body that takes long in spite of its size says much", () => {
  const cost = newCost();
  let messages = 0;
  for (; cost.nsPerByte < 1000; messages++) learn(cost, 1000, 2_000_000);
  expect(messages).toBeLessThan(100);
});

test("one body that took for ever is soon forgotten", () => {
  const cost = newCost();
  learn(cost, 5000, 10_000_000_000);
  expect(cost.nsPerByte).toBeLessThan(25);
});

test("large bodies are all measured, small ones now and then", () => {
  const cost = newCost();
  const count = (bytes: number) => Array.from({ length: 160 }, () => isMeasured(cost, bytes)).filter(Boolean).length;
  expect(count(100_000)).toBe(160);
  expect(count(1000)).toBe(10);
});
