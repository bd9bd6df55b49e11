import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newClient } from "../envoy/client.ts";
import { failuresOfMarking, MARKING, type MarkingEnvoy, startMarkingEnvoy } from "../envoy/flood.ts";

// The native transport behind a real Envoy: one connection carries everything, however Envoy ends its streams.

const SERVER = fileURLToPath(new URL("server.ts", import.meta.url));
const REQUESTS = 20_000;
const CLIENTS = 16;

describe.each([
  ["Envoy's default stream close, over TCP", false, "tcp"],
  ["graceful stream close, over a unix socket", true, "unix"],
])("%s", (_title, gracefulClose, family) => {
  let folder: string;
  let server: ChildProcess;
  let envoy: MarkingEnvoy;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agglo-native-"));
    const file = join(folder, "config.json");
    await writeFile(file, JSON.stringify(MARKING));
    const address = family === "tcp" ? "127.0.0.1:0" : `unix:${join(folder, "s")}`;
    server = spawn(process.execPath, [SERVER, file, address], { stdio: ["ignore", "pipe", "inherit"] });
    envoy = await startMarkingEnvoy(await listening(server), gracefulClose);
  }, 60_000);

  afterAll(async () => {
    await envoy?.stop();
    server?.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  test(`${REQUESTS} requests at full speed on one connection, none fails and each is treated`, async () => {
    expect(await failuresOfMarking(envoy.port, REQUESTS, CLIENTS)).toEqual([]);
    expect([1, 2]).toContain(await envoy.connections()); // the traffic's, and the health check's
  }, 120_000);

  test("bodies of half a megabyte go through, side by side with small ones", async () => {
    const client = newClient(envoy.port, CLIENTS);
    const text = "x".repeat(500_000);
    const asked = Array.from({ length: 64 }, async (_, id) => {
      const body = id % 2 === 0 ? `{"id":${id},"text":"${text}"}` : `{"id":${id}}`;
      const answer = await client.ask({ body });
      return answer.body.toString().includes(`"seen":"yes"}`) ? answer.status : `${answer.status}, not marked`;
    });
    expect((await Promise.all(asked)).filter((outcome) => outcome !== 200)).toEqual([]);
    client.close();
  }, 60_000);
});

/** The address the server says it listens on. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const found = /^listening (\S+)\n/m.exec(output);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}
