import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const START = fileURLToPath(new URL("../../../tools/start.ts", import.meta.url));

const BINGE = fileURLToPath(new URL("../../../cli/binge.ts", import.meta.url));
const EXAMPLE = fileURLToPath(new URL("../../../examples/orders/orders.json", import.meta.url));

type Ended = { code: number | null; output: string };

function start(args: string[], environment: NodeJS.ProcessEnv): Promise<Ended> {
  return ended(spawn(process.execPath, [START, ...args], { env: { ...process.env, ...environment } }));
}

function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  return new Promise((resolve) => {
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

function bingeTest(environment: NodeJS.ProcessEnv) {
  const args = ["test", "--on", "envoy", EXAMPLE];
  return ended(spawn(process.execPath, [BINGE, ...args], { env: { ...process.env, ...environment } }));
}

test("binge test --on envoy sends the example's exchanges through a real Envoy", async () => {
  const { code, output } = await bingeTest({});
  expect(output).toMatch(/[1-9]\d* passed, 0 failed/);
  expect(code).toBe(0);
}, 60_000);

test("without Envoy binge test says so and exits 69", async () => {
  const { code, output } = await bingeTest({ ENVOY: "/nowhere/envoy" });
  expect(output).toMatch(/^binge test: .*\/nowhere\/envoy.*\n$/);
  expect(code).toBe(69);
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
