import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { servers } from "./testing/servers.ts";

const { folder, file, startServer } = servers("serve");

const marking = (value: string) =>
  JSON.stringify({
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "p", processes: [{ name: "a" }] }],
    processDefinitions: [{ annotator: { name: "a", annotations: [{ fieldKey: "mark", value }] } }],
  });

const ADDRESSES = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

async function start(args: string[], env: NodeJS.ProcessEnv = {}) {
  const server = startServer(["serve", ...ADDRESSES, ...args], env);
  const stderr = await server.said("admin on");
  const [, address = ""] = /events on (\S+), POST/.exec(stderr) ?? [];
  const [, admin] = /admin on ([\d.:]+)/.exec(stderr) ?? [];
  return { server, address, admin: `http://${admin}` };
}

const post = (address: string, path = "/binge", headers: { [name: string]: string } = {}) =>
  fetch(`http://${address}${path}`, { method: "POST", body: '{"a":1}', headers });

test("serves, keeps its two ports apart, and ends on SIGTERM (B38, B42)", async () => {
  const { server, address, admin } = await start(["--config", file("one.json", marking("one"))]);
  expect(await (await post(address)).text()).toBe("Success");
  expect((await fetch(`${admin}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${admin}/metrics`)).text()).toContain('agglo_daemon_requests_total{status="200"} 1');
  expect((await fetch(`${admin}/binge`, { method: "POST", body: "{}" })).status).toBe(404);
  expect((await fetch(`${admin}/checkpoints?messageId=x`)).status).toBe(404);
  for (const path of ["/metrics", "/-/reload", "/checkpoints"]) expect((await post(address, path)).status).toBe(404);
  server.child.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(stderr).toContain("draining");
}, 30_000);

test("a changed file is in use for the next request; a wrong one changes nothing", async () => {
  const config = file("reload.json", marking("one"));
  const { server, address, admin } = await start(["--config", config]);
  const mark = async () => ((await (await post(address, "/binge?output=1")).json()) as { mark: string }[])[0]?.mark;
  expect(await mark()).toBe("one");
  file("reload.json", marking("two"));
  expect((await fetch(`${admin}/-/reload`, { method: "POST" })).status).toBe(200);
  expect(await mark()).toBe("two");
  file("reload.json", marking("three").replace("annotator", "anotator"));
  await server.said("reload refused");
  expect(await mark()).toBe("two");
  file("reload.json", marking("four"));
  await vi.waitFor(async () => expect(await mark()).toBe("four"), 10_000);
}, 60_000);

test.each([
  ["2", true],
  ["0", false],
])(
  "with --threads %s a large body is a thread's: %s",
  async (threads, isAThreads) => {
    const { address, admin } = await start(["--config", file("threads.json", marking("one")), "--threads", threads]);
    const body = JSON.stringify({ lines: Array.from({ length: 40_000 }, (_, id) => ({ id, text: "of some length" })) });
    const postLarge = async () => {
      const answer = await fetch(`http://${address}/binge?output=1`, { method: "POST", body });
      const [event] = (await answer.json()) as [{ lines: object[]; mark: string }];
      expect([event.lines.length, event.mark]).toEqual([40_000, "one"]);
    };
    const treated = async () => /agglo_pool_messages_total\{.*outcome="treated"\} [1-9]/.test(await metrics(admin));
    // The first starts a thread, and is treated where it is.
    if (isAThreads)
      await expect.poll(async () => [await postLarge(), await treated()][1], { timeout: 20_000 }).toBe(true);
    else for (let i = 0; i < 3; i++) await postLarge();
    expect(await treated()).toBe(isAThreads);
  },
  40_000,
);

const metrics = async (admin: string) => (await fetch(`${admin}/metrics`)).text();

describe("doors", () => {
  test("a token by reference alone, and anew when its file changes", async () => {
    const config = file("token.json", marking("x"));
    const plain = startServer(["serve", ...ADDRESSES, "--config", config, "--token", "s3cret"]);
    const { code, stderr } = await plain.ended;
    expect([code, stderr]).toEqual([78, expect.stringMatching(/--token: a secret stands in the file itself/)]);
    expect(stderr).not.toContain("s3cret");
    const token = file("token", "first\n");
    const { address } = await start(["--config", config, "--token", `\${file:${token}}`]);
    const status = async (text: string) => (await post(address, "/binge", { authorization: `Bearer ${text}` })).status;
    expect([(await post(address)).status, await status("first")]).toEqual([401, 200]);
    file("token", "second\n");
    await vi.waitFor(async () => expect([await status("first"), await status("second")]).toEqual([401, 200]), 10_000);
  }, 60_000);

  test("TLS: certificates anew without a restart; with a client CA only clients it has signed", async () => {
    const pem = (name: string) =>
      readFileSync(fileURLToPath(new URL(`../test/e2e/transport/fixtures/${name}`, import.meta.url)), "utf8");
    const cert = file("cert.pem", pem("cert.pem"));
    const key = file("key.pem", pem("key.pem"));
    const ca = file("ca.pem", pem("other.pem"));
    const config = file("tls.json", marking("x"));
    const tls = ["--tls-cert", cert, "--tls-key", key];
    const open = await start(["--config", config, ...tls]);
    const reaches = (address: string, options: object) =>
      new Promise<number | string>((resolve) => {
        const request = httpsRequest(`https://${address}/binge`, { method: "POST", agent: false, ...options });
        request.on("response", (response) => resolve(response.resume().statusCode as number));
        request.on("error", () => resolve("refused"));
        request.end("{}");
      });
    const first = { ca: pem("cert.pem"), servername: "localhost" };
    expect(await reaches(open.address, first)).toBe(200);
    const mutual = await start(["--config", config, ...tls, "--tls-client-ca", ca]);
    expect(await reaches(mutual.address, first)).toBe("refused");
    const signed = { ...first, cert: pem("other.pem"), key: pem("other-key.pem") };
    expect(await reaches(mutual.address, signed)).toBe(200);
    file("cert.pem", pem("other.pem"));
    file("key.pem", pem("other-key.pem"));
    const second = { ca: pem("other.pem"), servername: "other" };
    await vi.waitFor(async () => expect(await reaches(open.address, second)).toBe(200), 10_000);
    expect(await reaches(open.address, first)).toBe("refused");
  }, 60_000);

  test.each([
    [["--path", "binge"], 2, /--path is a path that begins with \//],
    [["--body-limit", "12"], 2, /a size from 1KiB on/],
    [["--workers", "2"], 2, /--workers is about the queue of --durable/],
    [["--durable", "q", "--retries", "-1"], 2, /--retries/],
    [["--durable", "doors.json"], 69, /--durable .*doors.json/],
    [["--listen", "nowhere"], 69, /cannot listen on nowhere/],
    [["--config", "none.json"], 78, /there is no such file/],
  ])("%j", async (args, code, message) => {
    const config = file("doors.json", marking("x"));
    const ended = await startServer(["serve", "--listen", "127.0.0.1:0", "--config", config, ...args]).ended;
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(message)]);
  });
});

test("the example of README: with --durable payments are archived, and what is none lies with its reason", async () => {
  const example = fileURLToPath(new URL("../examples/webhooks/webhooks.json", import.meta.url));
  const queue = join(folder, "queue");
  const { server, address, admin } = await start(["--config", example, "--durable", queue]);
  const send = async (body: string) => {
    const answer = await fetch(`http://${address}/binge`, { method: "POST", body });
    return [answer.status, await answer.text()];
  };
  expect(await send('{"payment":"p-1","amount":12.5}')).toEqual([200, "Success"]);
  expect(await send('{"payment":"p-2"}')).toEqual([200, "Success"]);
  const metrics = async () => (await fetch(`${admin}/metrics`)).text();
  await vi.waitFor(async () => expect(await metrics()).toContain("agglo_queue_dead_letters 1\n"));
  await vi.waitFor(async () => expect(await metrics()).toContain('agglo_tee_sent_total{target="payments"} 1\n'));
  expect(await (await fetch(`${admin}/queue`)).json()).toEqual({ inflight: [], unprocessed: [] });
  expect(readFileSync(join(queue, "dead-letters.ndjson"), "utf8")).toContain("archive: refused by is-payment");
  server.child.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  const again = startServer(["queue", "ls", queue]);
  expect((await again.ended).code).toBe(0); // the lock is gone
}, 60_000);

test("the admin pages of the original's path", async () => {
  const { admin } = await start(["--config", file("m.json", marking("x")), "--maintenance-path", "/maintenance/"]);
  expect(await (await fetch(`${admin}/maintenance/checkpoints?messageId=x`)).text()).toContain("nothing is kept");
}, 30_000);
