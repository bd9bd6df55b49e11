/** TLS and client certificates between a real Envoy and our server, by the flags of both commands. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startBinge } from "../../../cli/testing.ts";
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";
import { startUpstream, type Upstream } from "../../../tools/start/upstream.ts";
import { newClient } from "./client.ts";
import { MARKING } from "./flood.ts";

const pem = (name: string) => fileURLToPath(new URL(`../transport/fixtures/${name}`, import.meta.url));
const SERVER = ["--tls-cert", pem("cert.pem"), "--tls-key", pem("key.pem"), "--tls-client-ca", pem("other.pem")];
const TRUST = ["--tls-ca", pem("cert.pem")];
const CLIENT = ["--tls-cert", pem("other.pem"), "--tls-key", pem("other-key.pem")];

let folder: string;
let server: ReturnType<typeof startBinge>;
let upstream: Upstream;
let envoy: RunningEnvoy | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-tls-"));
  await writeFile(join(folder, "config.json"), JSON.stringify(MARKING));
  upstream = await startUpstream();
  server = startBinge(["extproc", "--config", "config.json", "--listen", "127.0.0.1:0", ...SERVER], folder);
}, 60_000);
afterEach(async () => {
  await envoy?.stop();
  server.child.kill("SIGKILL");
  await server.ended;
  await upstream.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What a request is answered through an Envoy with these flags. */
async function ask(tls: string[]): Promise<{ status: number; body: string }> {
  const address = /ext_proc on (127.0.0.1:\d+)/.exec(await server.said("ext_proc on"))?.[1] as string;
  const where = ["--config", "config.json", "--listen", address, "--upstream", upstream.address];
  const { stdout, stderr } = await startBinge(["envoy", ...where, "--port", "0", "--admin-port", "0", ...tls], folder)
    .ended;
  expect(stderr).toBe("");
  envoy = await startEnvoy(stdout);
  const client = newClient(envoy.port);
  const { status, body } = await client.ask({ body: '{"id":1}' });
  client.close();
  return { status, body: body.toString() };
}

test("with a certificate that the server knows, requests are treated", async () => {
  const { status, body } = await ask([...TRUST, "--tls-name", "localhost", ...CLIENT]);
  expect([status, body]).toEqual([200, expect.stringContaining('"seen":"yes"')]);
}, 60_000);

test.each([
  ["without a certificate of its own", [...TRUST, "--tls-name", "localhost"]],
  ["of a server with another name", [...TRUST, "--tls-name", "elsewhere", ...CLIENT]],
  ["of a server that somebody else has signed", ["--tls-ca", pem("other.pem"), "--tls-name", "localhost", ...CLIENT]],
  ["in plain text", []],
])(
  "%s nothing is treated, and nothing passes",
  async (_title, tls) => {
    expect((await ask(tls)).status).toBe(500);
    expect(upstream.reached).toEqual([]);
  },
  60_000,
);
