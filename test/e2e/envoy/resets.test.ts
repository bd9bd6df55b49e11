import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBinge } from "../../../cli/testing.ts";
import { transportUnderTest } from "../../../tools/start/stack.ts";
import { failuresOfMarking, MARKING, type MarkingEnvoy, startMarkingEnvoy } from "./flood.ts";

/**
 * Envoy ends every ext_proc stream with RST_STREAM, which Node takes for an attack after a thousand of them and closes
 * the connection: one request in a hundred then fails (facts 0.1-0.5).
 */
const REQUESTS = 20_000;
const CONNECTIONS = 16;

describe.each([
  ["Envoy's default stream close", false],
  ["graceful stream close", true],
])("%s", (_title, gracefulClose) => {
  let folder: string;
  let server: ReturnType<typeof startBinge>;
  let envoy: MarkingEnvoy;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agglo-resets-"));
    await writeFile(join(folder, "config.json"), JSON.stringify(MARKING));
    const listen = `unix:${join(folder, "agglo.sock")}`;
    // A process of its own, as in life: client and server do not share an event loop.
    const args = ["extproc", "--config", "config.json", "--listen", listen, "--transport", transportUnderTest()];
    server = startBinge(args, folder);
    await server.said("ext_proc on");
    envoy = await startMarkingEnvoy(listen, gracefulClose);
  }, 60_000);

  afterAll(async () => {
    await envoy?.stop();
    server?.child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  test(`${REQUESTS} requests at full speed, none fails and each is treated`, async () => {
    expect(await failuresOfMarking(envoy.port, REQUESTS, CONNECTIONS)).toEqual([]);
    expect([1, 2]).toContain(await envoy.connections()); // the traffic's, and the health check's
  }, 120_000);
});
