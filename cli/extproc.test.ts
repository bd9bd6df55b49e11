import { existsSync, readFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { readExposition } from "../engine/runtime/testing/exposition-reader.ts";
import { type Started, servers } from "./testing/servers.ts";

const { folder, file, startServer } = servers("extproc");

const routes = (...names: string[]) =>
  JSON.stringify({
    pipelines: [],
    http: { version: 1, routes: names.map((name) => ({ name, request: { setHeaders: { "x-a": "b" } } })) },
  });

async function start(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ server: Started; admin: string }> {
  const server = startServer(["extproc", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...args], env);
  const stderr = await server.said("admin on");
  return { server, admin: `http://${/admin on ([\d.:]+)/.exec(stderr)?.[1]}` };
}

/** The last one may still be on its way. */
const lines = (stderr: string) =>
  stderr
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { [key: string]: unknown });

test("it serves, tells its health, and drains on SIGTERM", async () => {
  const { server, admin } = await start(["--config", file("all.json", routes("all"))]);
  expect((await fetch(`${admin}/livez`)).status).toBe(200);
  expect((await fetch(`${admin}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${admin}/config`)).json()).toMatchObject({ http: { version: 1 } });
  const metrics = await fetch(`${admin}/metrics`);
  expect(metrics.headers.get("content-type")).toContain("version=0.0.4");
  const series = readExposition(await metrics.text());
  expect([series.get("agglo_streams_total"), series.get("agglo_generation")]).toEqual([0, 1]);
  expect((await fetch(`${admin}/`)).status).toBe(404);
  server.child.kill("SIGTERM");
  await server.said("draining");
  expect((await fetch(`${admin}/readyz`)).status).toBe(503);
  server.child.kill("SIGTERM"); // systemd tells every process, and so does the primary
  const { code, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(lines(stderr)[0]).toMatchObject({
    level: "info",
    msg: expect.stringContaining("routes all"),
    time: expect.any(String),
  });
}, 30_000);

test("a file that binds nothing says so at start; text is a line for people, and a level leaves out what is below", async () => {
  const unbound = file("unbound.json", '{"partitionUuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "pipelines": []}');
  const { server } = await start(["--config", unbound, "--log-format", "text"]);
  expect(await server.said("ext_proc on")).toMatch(/^\S+Z info ext_proc on 127.0.0.1:\d+, no traffic is bound/);
  const socket = join(folder, "quiet.sock");
  const listen = ["--listen", "127.0.0.1:0", "--admin", `unix:${socket}`];
  const quiet = startServer(["extproc", "--config", unbound, ...listen, "--log-level", "error"]);
  await vi.waitFor(() => expect(existsSync(socket)).toBe(true), 25_000); // the last thing before the lines
  quiet.child.kill("SIGKILL");
  expect((await quiet.ended).stderr).toBe("");
}, 60_000);

test("a bug that no call can be blamed for is logged, ends the server in good order, and its exit code says so", async () => {
  const planted = "process.on('SIGUSR2', () => setTimeout(() => { throw new Error('planted'); }));";
  const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(planted)}` };
  const { server } = await start(["--config", file("bug.json", routes("all"))], env);
  server.child.kill("SIGUSR2");
  const { code, stderr } = await server.ended;
  expect(code).toBe(70);
  const said = lines(stderr).map(({ level, msg }) => `${level} ${String(msg).split("\n")[0]}`);
  expect(said.slice(-2)).toEqual(["error a bug of ours: Error: planted", "info draining"]);
}, 30_000);

test("server processes end when the one that looks after them is gone", async () => {
  const { server } = await start(["--config", file("two.json", routes("all")), "--processes", "2"]);
  const pids = lines(await server.said("admin on")).filter(({ process }) => typeof process === "number");
  expect(pids.map(({ process }) => process)).toEqual([0, 1]);
  server.child.kill("SIGKILL");
  for (const { pid } of pids) {
    await vi.waitFor(() => expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH"), 20_000);
  }
}, 60_000);

describe("reload", () => {
  test("by POST, SIGHUP and a changed file: applied, or refused with what is wrong", async () => {
    const config = file("reload.json", routes("one"));
    const { server, admin } = await start(["--config", config]);
    const reload = () => fetch(`${admin}/-/reload`, { method: "POST" });
    const current = async () =>
      ((await (await fetch(`${admin}/config`)).json()) as { http: { routes: unknown[] } }).http.routes.length;
    file("reload.json", routes("one", "two"));
    const applied = await reload();
    expect([applied.status, await current()]).toEqual([200, 2]);
    expect(await applied.json()).toMatchObject({ outcome: "applied" });
    file("reload.json", routes("one", "two").replace("setHeaders", "setHeader"));
    const refused = await reload();
    expect([refused.status, await current()]).toEqual([422, 2]);
    expect((await refused.json()) as object).toMatchObject({
      message: expect.stringMatching(/reload.json:1:\d+ E_UNKNOWN_FIELD/),
    });
    await server.said("reload refused");
    file("reload.json", routes("one", "two", "three")); // nobody is told: the file itself is looked at
    await vi.waitFor(async () => expect(await current()).toBe(3), 10_000);
    file("reload.json", routes("one"));
    server.child.kill("SIGHUP");
    await vi.waitFor(async () => expect(await current()).toBe(1), 10_000);
    expect((await fetch(`${admin}/-/reload`)).status).toBe(405);
    expect((await fetch(`${admin}/-/reload`, { method: "POST", headers: { origin: "http://x" } })).status).toBe(403);
  }, 60_000);

  test("a secret's file that changes is read anew", async () => {
    const key = file("key", "first");
    const rules = [{ paths: ["a"], hmac: { key: `\${file:${key}}` } }];
    const config = {
      pipelines: [{ name: "p", processes: [{ name: "r" }] }],
      processDefinitions: [{ redactor: { name: "r", rules } }],
      http: { version: 1, routes: [{ name: "all", request: { pipelines: ["p"] } }] },
    };
    const { server } = await start(["--config", file("secret.json", JSON.stringify(config))]);
    file("key", "second");
    await server.said("generation 2 is in use");
  }, 60_000);

  test("takes new certificates, and refuses a pair that does not fit", async () => {
    const pem = (name: string) =>
      readFileSync(fileURLToPath(new URL(`../test/e2e/transport/fixtures/${name}`, import.meta.url)), "utf8");
    const cert = file("cert.pem", pem("cert.pem"));
    const key = file("key.pem", pem("key.pem"));
    const tls = ["--tls-cert", cert, "--tls-key", key];
    const { server, admin } = await start(["--config", file("tls.json", routes("one")), ...tls]);
    const address = /ext_proc on 127.0.0.1:(\d+)/.exec(await server.said("ext_proc on"))?.[1];
    const reaches = (ca: string, servername: string) =>
      new Promise<boolean>((resolve) => {
        const session = http2.connect(`https://127.0.0.1:${address}`, { ca: pem(ca), servername });
        session.on("error", () => resolve(false));
        session.on("connect", () => resolve(session.close() === undefined));
      });
    expect(await reaches("cert.pem", "localhost")).toBe(true);
    file("cert.pem", pem("other.pem"));
    const refused = await fetch(`${admin}/-/reload`, { method: "POST" });
    expect(await refused.text()).toContain("are no certificate with its key");
    expect(await reaches("cert.pem", "localhost")).toBe(true);
    file("key.pem", pem("other-key.pem"));
    await vi.waitFor(async () => expect(await reaches("other.pem", "other")).toBe(true), 10_000);
  }, 60_000);
});
