import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePort } from "../../../tools/run-nginx.ts";

const START = fileURLToPath(new URL("../../../tools/start-nginx.ts", import.meta.url));

test("npm run start:nginx: every case of examples/nginx comes out of a real nginx as it says", async () => {
  const env = { ...process.env, PORT: String(await freePort()) };
  const { stdout, stderr, status } = spawnSync(process.execPath, [START, "--once"], { env, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).not.toContain("FAIL");
  expect(stdout.match(/^ok {3}/gm)).toHaveLength(6);
  expect(status).toBe(0);
});
