/** Streams that outlive changes of the configuration: one change leaves them alone, the second does not wait for ever. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { newClient } from "./client.ts";
import { statusOf } from "./http1.ts";
import { type Servers, startServers } from "./servers.ts";
import { openWire, WAIT } from "./wire.ts";

const LINES = "application/x-ndjson";

const version = (number: number) => ({
  pipelines: [{ name: "mark", processes: [{ name: "annotate" }] }],
  processDefinitions: [{ annotator: { name: "annotate", annotations: [{ fieldKey: "seen", value: `v${number}` }] } }],
  http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mark"], contentTypes: [LINES] } }] },
});

let servers: Servers;
beforeAll(async () => {
  servers = await startServers(version(1), 1, ["--drain-timeout", "1"]);
}, 60_000);
afterAll(() => servers?.stop());

const metric = async (name: string) => (await servers.metrics()).get(name);

async function change(number: number): Promise<string> {
  await servers.write(version(number));
  return (await servers.reload()).outcome;
}

const asked = (path: string) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${LINES}\r\ntransfer-encoding: chunked\r\n\r\n`;
const line = '{"n":1}\n';
const chunk = `${line.length.toString(16)}\r\n${line}\r\n`;

test("an upload without end keeps its configuration through a change, and is refused when a second waits", async () => {
  const wire = await openWire(servers.envoy.port, ["POST"]);
  wire.write(asked("/endless") + chunk);
  await vi.waitFor(async () => expect(await metric("agglo_streams_open")).toBe(1), WAIT);
  expect(await change(2)).toBe("applied");
  wire.write(chunk);
  await vi.waitFor(async () => expect(await metric("agglo_old_generation_streams")).toBe(1), WAIT);
  expect(wire.reader.messages).toEqual([]);
  expect(await change(3)).toBe("waiting");
  expect(statusOf(await wire.response())).toBe(504);
  await vi.waitFor(async () => expect(await metric("agglo_generation")).toBe(3), WAIT);
  expect(await metric('agglo_faults_total{route="all",direction="request",reason="timeout"}')).toBe(1);
  const client = newClient(servers.envoy.port);
  const { body } = await client.ask({ headers: { "content-type": LINES }, body: line });
  expect(body.toString()).toContain("v3");
  client.close();
  wire.end();
}, 60_000);
