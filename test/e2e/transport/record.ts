/**
 * `node test/e2e/transport/record.ts`: what a real Envoy sends on an ext_proc connection, into test/fixtures/http2/*.bin.
 * The fuzz tests start from these. To be run again when Envoy's version changes.
 */

import { mkdtempSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { fixedRuntime } from "../../../engine/runtime/generations.ts";
import { startRuntime } from "../../../engine/runtime/runtime.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { nativeTransport } from "../../../extproc/grpc/native.ts";
import { acceptExchanges } from "../../../extproc/server.ts";
import { PROCESSOR_CODEC } from "../../../extproc/transports.ts";
import { startEnvoy } from "../../../tools/run-envoy.ts";
import { startUpstream } from "../../../tools/start/upstream.ts";
import { type Client, newClient } from "../envoy/client.ts";

const FIXTURES = fileURLToPath(new URL("../../fixtures/http2/", import.meta.url));

const CONFIG = JSON.stringify({
  pipelines: [{ name: "mark", processes: [{ name: "annotate" }] }],
  processDefinitions: [{ annotator: { name: "annotate", annotations: [{ fieldKey: "seen", value: "yes" }] } }],
  http: {
    version: 1,
    routes: [
      {
        name: "both",
        match: { paths: ["/both/**"] },
        request: { pipelines: ["mark"] },
        response: { pipelines: ["mark"] },
      },
      { name: "all", request: { pipelines: ["mark"] } },
    ],
  },
});

/** Records one connection's bytes from Envoy while `act` makes requests. */
async function record(name: string, gracefulClose: boolean, act: (client: Client) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "agglo-record-"));
  const file = join(folder, "config.json");
  const { plan, systems } = loadText(CONFIG, file);
  if (plan === undefined) throw new Error("the configuration of this script is not right");
  const runtime = await startRuntime(plan, systems, { log: (_level, text) => console.error(text) });
  const listening = await nativeTransport({ codec: PROCESSOR_CODEC }).listen(
    "127.0.0.1:0",
    acceptExchanges(fixedRuntime(runtime)),
  );
  const connections: Buffer[][] = [];
  const tap = createServer((envoySide) => {
    const bytes: Buffer[] = [];
    connections.push(bytes);
    const ourSide = connect(Number(listening.address.split(":")[1]), "127.0.0.1");
    envoySide.on("data", (chunk: Buffer) => bytes.push(chunk));
    envoySide.pipe(ourSide).pipe(envoySide);
    for (const socket of [envoySide, ourSide]) socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => tap.listen(0, "127.0.0.1", resolve));
  const upstream = await startUpstream();
  const listen = `127.0.0.1:${(tap.address() as AddressInfo).port}`;
  const options = { listen, upstream: upstream.address, port: 0, adminPort: 0, gracefulClose };
  const envoy = await startEnvoy(envoyBootstrap(plan.routes ?? [], options));
  const client = newClient(envoy.port, 8);
  await act(client);
  client.close();
  await envoy.stop();
  await listening.close();
  tap.close();
  await upstream.stop();
  await runtime.close(1000);
  await rm(folder, { recursive: true });
  const longest = connections.map((chunks) => Buffer.concat(chunks)).sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) throw new Error(`Envoy opened no connection for ${name}`);
  writeFileSync(join(FIXTURES, `${name}.bin`), longest);
  console.log(`${name}.bin: ${longest.length} bytes`);
}

const many = (count: number, ask: (i: number) => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, (_, i) => ask(i)));

await mkdir(FIXTURES, { recursive: true });
await record("envoy-reset", false, (client) => many(40, (i) => client.ask({ body: `{"id":${i}}` })));
await record("envoy-graceful", true, (client) => many(40, (i) => client.ask({ path: "/both/x", body: `{"id":${i}}` })));
await record("envoy-large", false, (client) =>
  many(3, (i) => client.ask({ path: "/both/x", body: `{"id":${i},"text":"${"x".repeat(20_000)}"}` })),
);
