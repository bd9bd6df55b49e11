import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const BINGE = fileURLToPath(new URL("../cli/binge.ts", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));

/** Configurations: every .json in a folder of examples that has pipelines. */
const files = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".json"))
  .map((name) => EXAMPLES + name)
  .filter((file) => /"pipelines"\s*:/.test(readFileSync(file, "utf8")));

function binge(args: string[]) {
  return spawnSync(process.execPath, [BINGE, ...args], { encoding: "utf8" });
}

describe.each(files)("%s", (file) => {
  test("is right", () => {
    const { stdout, status } = binge(["lint", file]);
    expect(stdout).toContain(": ok, ");
    expect(status).toBe(0);
  });

  test("has cases, and they come out as they say", () => {
    const { stdout, status } = binge(["test", file]);
    expect(stdout).not.toContain("FAIL");
    expect(stdout).toMatch(/[1-9]\d* passed, 0 failed/);
    expect(status).toBe(0);
  });
});

test("there are examples", () => {
  expect(files.length).toBeGreaterThan(0);
});
