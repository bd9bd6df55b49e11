/** Which of our files in the original's grammar load, which are refused and why, here and there (agglo-behaviour 9). */
import { describe, expect, test } from "vitest";
import { findOriginalRefusals } from "../../engine/config/original.ts";
import { load, readOriginal } from "./harness.ts";

const LOADED = ["c01", "c02", "c03", "c06", "c11"];
const LENIENT = ["c08", "c09"];

describe("loading", () => {
  test.each([...LOADED, "c07"])("%s loads as it is, without a complaint", (name) => {
    const { plan, diagnostics } = load(readOriginal(name));
    expect(diagnostics).toEqual([]);
    expect(plan).toBeDefined();
  });

  const later: [string, string[]][] = [
    ["c04", ["processDefinitions.1.entwine"]],
    ["c05", ["processDefinitions.0.entwine"]],
    ["c10", ["processDefinitions.0.entwine"]],
  ];
  test.each(later)("%s is refused for what is not there yet, and nothing else", (name, places) => {
    const { plan, diagnostics } = load(readOriginal(name));
    expect(plan).toBeUndefined();
    const found = diagnostics.map(({ code, path }) => `${code} ${path.join(".")}`);
    expect(found.sort()).toEqual(places.map((place) => `E_NOT_YET ${place}`).sort());
  });

  test.each(LENIENT)("%s has stray fields: it loads leniently only", (name) => {
    const strict = load(readOriginal(name));
    expect(strict.plan).toBeUndefined();
    expect(strict.diagnostics.map(({ code }) => code)).toContain("E_UNKNOWN_FIELD");
    const lenient = load(readOriginal(name), true);
    expect(lenient.plan).toBeDefined();
    expect(new Set(lenient.diagnostics.map(({ severity }) => severity))).toEqual(new Set(["warning"]));
  });
});

describe("lint --original", () => {
  function reasons(name: string): string[] {
    return findOriginalRefusals(load(readOriginal(name)).document).map(
      ({ code, path, message }) => `${code} ${path.join(".")}: ${message}`,
    );
  }

  test.each([...LOADED, "c04", "c05", "c10"])("says nothing about %s, which the original loads", (name) => {
    expect(reasons(name)).toEqual([]);
  });

  const LOCAL = "E_ORIGINAL externalSystems.0.connectionString: the original wants a scheme and a colon";
  const refused: [string, string[]][] = [
    ["c07", [LOCAL]],
    [
      "c08",
      [
        'E_ORIGINAL pipelines.0.checkpoint.outputConnector: the original does not know "outputConnector"',
        'E_ORIGINAL pipelines.0.checkpoint.externalType: the original does not know "externalType"',
      ],
    ],
    ["c09", ['E_ORIGINAL processDefinitions.1.tee.externalType: the original does not know "externalType"', LOCAL]],
  ];
  test.each(refused)("names why the original refuses %s", (name, expected) => {
    expect(reasons(name).sort()).toEqual([...expected].sort());
  });
});
