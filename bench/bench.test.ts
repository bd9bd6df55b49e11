import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const BENCH = fileURLToPath(new URL("bench.ts", import.meta.url));

test("Ctrl-C while it measures leaves no process and no file", { timeout: 120_000 }, async () => {
  const scratch = mkdtempSync(join(tmpdir(), "agglo-bench-test-"));
  const args = [BENCH, "--quick", "--variants", "none", "--rounds", "9"];
  const bench = spawn(process.execPath, args, {
    env: { ...process.env, TMPDIR: scratch },
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    await said(bench, /% *, .* left/);
    const children = readFileSync(`/proc/${bench.pid}/task/${bench.pid}/children`, "utf8").trim().split(" ");
    expect(children.length).toBeGreaterThanOrEqual(2); // an upstream and an Envoy
    const exit = new Promise((resolve) => bench.once("exit", resolve));
    bench.kill("SIGINT");
    expect(await exit).toBe(130);
    expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(readdirSync(scratch)).toEqual([]);
  } finally {
    bench.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
  }
});

/** Resolves when its stderr has said so; rejects when it ends before. */
function said(child: ChildProcess, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (what.test(text)) resolve();
    });
    child.once("exit", () => reject(new Error(`it ended:\n${text}`)));
  });
}

test.each([
  [["--load", "wrk"], "--load is of go, k6"],
  [["--variants", "none,rust"], "--variants is of none, lua, go"],
  [["--only", "everything"], "--only is of rewrite, size 200"],
  [["--rounds", "some"], "--rounds is a count"],
])("%j is refused with the choices there are", async (args, sentence) => {
  const bench = spawn(process.execPath, [BENCH, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  bench.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  expect(await new Promise((resolve) => bench.once("close", resolve))).toBe(2);
  expect(text).toContain(sentence);
});
