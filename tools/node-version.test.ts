import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const guard = fileURLToPath(new URL("node-version.cjs", import.meta.url));

test("this Node is new enough and nothing is said", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [guard], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("an older Node is told in one sentence what to do, and the exit code is 69", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agglo-node-"));
  const pretend = join(folder, "old.cjs");
  writeFileSync(pretend, 'Object.defineProperty(process.versions, "node", { value: "20.20.2" });');
  const { status, stderr } = spawnSync(process.execPath, ["--require", pretend, guard], { encoding: "utf8" });
  await rm(folder, { recursive: true });
  expect(status).toBe(69);
  expect(stderr).toMatch(/^agglo needs Node 24 .* `npm ci` without --ignore-scripts.*\.\n$/);
});
