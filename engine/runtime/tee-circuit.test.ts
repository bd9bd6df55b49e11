import { describe, expect, test } from "vitest";
import { answered, type Circuit, failed, halfOpen, mayTry, newCircuit, takeRetry, tried } from "./tee-circuit.ts";

const OPTIONS = { failuresMax: 2, waitMs: 100, waitMaxMs: 300 };

function fail(circuit: Circuit, nowMs = 0): number {
  return failed(circuit, nowMs, OPTIONS);
}

function opened(): Circuit {
  const circuit = newCircuit();
  fail(circuit);
  fail(circuit);
  return circuit;
}

describe("a circuit", () => {
  test("opens after so many failures in a row, and only in a row", () => {
    const circuit = newCircuit();
    expect([fail(circuit), answered(circuit), fail(circuit)]).toEqual([0, false, 0]);
    expect(mayTry(circuit)).toBe(true);
    expect(fail(circuit)).toBe(100);
    expect(mayTry(circuit)).toBe(false);
  });

  test("half open lets one try through, and waits twice as long when it fails, up to the longest", () => {
    const circuit = opened();
    for (const waitMs of [200, 300, 300]) {
      halfOpen(circuit);
      expect(mayTry(circuit)).toBe(true);
      tried(circuit);
      expect(mayTry(circuit)).toBe(false);
      expect(fail(circuit)).toBe(waitMs);
      expect(mayTry(circuit)).toBe(false);
    }
  });

  test("that is open takes no notice of older tries that fail", () => {
    const circuit = opened();
    expect(fail(circuit)).toBe(0);
    halfOpen(circuit);
    expect(fail(circuit)).toBe(200);
  });

  test("closes with any answer, and begins anew afterwards", () => {
    const circuit = opened();
    halfOpen(circuit);
    tried(circuit);
    expect(answered(circuit)).toBe(true);
    expect(answered(circuit)).toBe(false);
    expect([fail(circuit), fail(circuit, 7)]).toEqual([0, 100]);
    expect(circuit).toMatchObject({ openings: 1, openedAtMs: 7 });
  });

  test("that was closed meanwhile is not opened by half by a wait that ends", () => {
    const circuit = opened();
    answered(circuit);
    halfOpen(circuit);
    expect(circuit.state).toBe("closed");
  });

  test("pays ten retries at first, then one of five answers, and saves up to a hundred", () => {
    const circuit = newCircuit();
    const paid = () => {
      let count = 0;
      while (takeRetry(circuit)) count++;
      return count;
    };
    expect(paid()).toBe(10);
    for (let i = 0; i < 14; i++) answered(circuit);
    expect(paid()).toBe(2);
    for (let i = 0; i < 10_000; i++) answered(circuit);
    expect(paid()).toBe(100);
  });
});
