import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { transportUnderTest } from "../../../tools/start/stack.ts";
import { startUpstream, type Upstream } from "../../../tools/start/upstream.ts";
import { failuresOfMarking, MARKING } from "./flood.ts";

/**
 * Envoy ends every ext_proc stream with RST_STREAM, which Node takes for an attack after a thousand of them and closes
 * the connection: one request in a hundred then fails (facts 0.1-0.5).
 */
const BINGE = fileURLToPath(new URL("../../../cli/binge.ts", import.meta.url));
const REQUESTS = 20_000;
const CONNECTIONS = 16;

describe.each([
  ["Envoy's default stream close", false],
  ["graceful stream close", true],
])("%s", (_title, gracefulClose) => {
  let folder: string;
  let server: ChildProcess;
  let envoy: RunningEnvoy;
  let upstream: Upstream;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agglo-resets-"));
    const file = join(folder, "config.json");
    await writeFile(file, JSON.stringify(MARKING));
    const listen = `unix:${join(folder, "agglo.sock")}`;
    // A process of its own, as in life: client and server do not share an event loop.
    server = spawn(
      process.execPath,
      [BINGE, "extproc", "--config", file, "--listen", listen, "--transport", transportUnderTest()],
      {
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    await said(server, "ext_proc on");
    upstream = await startUpstream();
    const { plan } = loadText(JSON.stringify(MARKING), file);
    const options = { listen, upstream: upstream.address, port: 0, adminPort: 0, gracefulClose };
    envoy = await startEnvoy(envoyBootstrap(plan?.routes ?? [], options));
  }, 60_000);

  afterAll(async () => {
    await envoy?.stop();
    await upstream?.stop();
    server?.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  test(`${REQUESTS} requests at full speed, none fails and each is treated`, async () => {
    expect(await failuresOfMarking(envoy.port, REQUESTS, CONNECTIONS)).toEqual([]);
    const stats = await (await fetch(`http://${envoy.admin}/stats?filter=agglo_ext_proc.upstream_cx_total`)).text();
    expect(stats).toMatch(/upstream_cx_total: [12]\n/); // the traffic's connection, and the health check's
  }, 120_000);
});

/** Resolves when the server has written `text` to stderr; rejects when it ends before. */
function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(text)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
  });
}
