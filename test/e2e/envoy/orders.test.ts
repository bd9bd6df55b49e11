import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const START = fileURLToPath(new URL("../../../tools/start.ts", import.meta.url));

function start(args: string[], environment: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [START, ...args], { env: { ...process.env, ...environment } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("close", (code) => resolve({ code, output }));
  });
}

test("npm start -- --once sends the samples through a real Envoy, and all come out as the example says", async () => {
  const { code, output } = await start(["--once"], { PORT: "0" });
  expect(output).toContain("every sample came out as expected");
  expect(output).not.toContain("NOT AS EXPECTED");
  expect(code).toBe(0);
}, 60_000);

test("without Envoy it says in one sentence what is wrong and exits 69", async () => {
  const { code, output } = await start(["--once"], { PORT: "0", ENVOY: "/nowhere/envoy" });
  expect(output.trim().split("\n")).toHaveLength(1);
  expect(output).toContain("/nowhere/envoy");
  expect(code).toBe(69);
}, 60_000);

test("a port that somebody has is said, and nothing is started on it", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const { port } = holder.address() as AddressInfo;
  const { code, output } = await start(["--once"], { PORT: String(port) });
  holder.close();
  expect(output).toContain(`port ${port} is in use`);
  expect(output).not.toContain("came back");
  expect(code).not.toBe(0);
}, 60_000);
