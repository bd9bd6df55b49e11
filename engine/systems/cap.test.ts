import { expect, test } from "vitest";
import { newCap } from "./cap.ts";

test("so many names fit; known ones always do, and who leaves makes room", () => {
  const cap = newCap(2, 1000);
  expect(["a", "b", "c", "a", "b"].map((name) => cap.admits(name, 0))).toEqual([true, true, false, true, true]);
  cap.release("a");
  expect(["c", "a"].map((name) => cap.admits(name, 0))).toEqual([true, false]);
});

test("names not seen for their time make room", () => {
  const cap = newCap(2, 1000);
  cap.admits("a", 0);
  cap.admits("b", 500);
  cap.admits("a", 900);
  expect(cap.admits("c", 1400)).toBe(false);
  expect(cap.admits("c", 1500)).toBe(true); // in the place of b
  expect([cap.admits("b", 1500), cap.admits("a", 1500)]).toEqual([false, true]);
});
