/**
 * Traffic while everything changes: the configuration every second, the server processes one after the other, and Envoy
 * drains. Short here; `npm run test:restarts` takes a minute.
 */
import { request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { newClient } from "./client.ts";
import { type Servers, startServers } from "./servers.ts";

const PROCESSES = 3;
const SECONDS = Number(process.env.AGGLO_RESTARTS_SECONDS ?? 8);
const REQUESTS_PER_SECOND = 500;
const CONNECTIONS = 16;

/** Each version marks what it treats with its number. */
const version = (number: number) => ({
  pipelines: [{ name: "mark", processes: [{ name: "annotate" }] }],
  processDefinitions: [{ annotator: { name: "annotate", annotations: [{ fieldKey: "seen", value: `v${number}` }] } }],
  http: { version: 1, routes: [{ name: "all", request: { pipelines: ["mark"], limits: { deadlineMs: 10_000 } } }] },
});

let servers: Servers;
beforeAll(async () => {
  servers = await startServers(version(0), PROCESSES);
}, 60_000);
afterAll(() => servers?.stop());

test("a request that is under way keeps the configuration it began with, and a second change waits for it", async () => {
  const request = httpRequest({
    host: "127.0.0.1",
    port: servers.envoy.port,
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  const answer = new Promise<string>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      response.setEncoding("utf8");
      let text = "";
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    });
  });
  request.write('{"id":');
  const open = async () => {
    const streams = [...(await servers.metrics())].filter(([name]) => name.startsWith("agglo_streams_open"));
    return streams.reduce((sum, [, value]) => sum + value, 0);
  };
  await vi.waitFor(async () => expect(await open()).toBe(1), 10_000);
  await servers.write(version(1001));
  await vi.waitFor(async () => expect(await generations()).toEqual([2, 2, 2]), 10_000); // the file is looked at
  await servers.write(version(1002));
  expect(await servers.reload()).toMatchObject({ status: 202, message: expect.stringContaining("still has 1 stream") });
  request.end("7}");
  expect(await answer).toContain('"seen":"v0"');
  await vi.waitFor(async () => expect(Math.min(...(await generations()))).toBeGreaterThan(2), 10_000);
  const client = newClient(servers.envoy.port);
  expect((await client.ask({ body: '{"id":8}' })).body.toString()).toContain('"seen":"v1002"');
  client.close();
}, 60_000);

async function generations(): Promise<number[]> {
  const metrics = await servers.metrics();
  return Array.from({ length: PROCESSES }, (_, i) => metrics.get(`agglo_generation{server="${i}"}`) ?? 0);
}

test(
  `${SECONDS} s at ${REQUESTS_PER_SECOND} requests a second: none fails, each is treated`,
  async () => {
    const end = performance.now() + SECONDS * 1000;
    const seen = new Map<string, number>();
    const failures: string[] = [];
    const restarted: number[] = [];
    await Promise.all([flood(end, seen, failures), reloads(end), restarts(end, restarted), drainEnvoy(end)]);
    expect(failures).toEqual([]);
    const answered = [...seen.values()].reduce((all, number) => all + number, 0);
    console.log(`${answered} answered, of ${seen.size} configurations; ${restarted.length} processes restarted`);
    expect(answered).toBeGreaterThan(SECONDS * CONNECTIONS);
    expect(seen.size).toBeGreaterThan(1);
    expect(restarted.length).toBeGreaterThan(0);
  },
  (SECONDS + 60) * 1000,
);

/** An open rate: a request starts when its time has come, as long as a connection is free. */
async function flood(end: number, seen: Map<string, number>, failures: string[]): Promise<void> {
  const client = newClient(servers.envoy.port, CONNECTIONS);
  const pauseMs = (1000 * CONNECTIONS) / REQUESTS_PER_SECOND;
  let id = 0;
  const worker = async (first: number) => {
    for (let due = first; due < end; due += pauseMs) {
      const number = id++;
      await delay(Math.max(0, due - performance.now()));
      const { status, body } = await client.ask({ body: `{"id":${number}}` });
      const mark = new RegExp(`"body":\\{"id":${number},"seen":"(v\\d+)"\\}`).exec(body.toString())?.[1];
      if (status !== 200 || mark === undefined) failures.push(`${status} ${body}`);
      else seen.set(mark, (seen.get(mark) ?? 0) + 1);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => worker(start + (i * pauseMs) / CONNECTIONS)));
  client.close();
}

async function reloads(end: number): Promise<void> {
  for (let number = 1; performance.now() < end; number++) {
    await servers.write(version(number));
    const { outcome } = await servers.reload();
    expect(["applied", "waiting"]).toContain(outcome);
    await delay(1000);
  }
}

/** Envoy asks its clients to leave, as it does before it is replaced, and goes on answering. */
async function drainEnvoy(end: number): Promise<void> {
  await delay((end - performance.now()) / 2);
  const answer = await fetch(`http://${servers.envoy.admin}/drain_listeners?graceful&skip_exit`, { method: "POST" });
  expect(answer.status).toBe(200);
}

/** SIGTERM to one process after the other, each when the one before is there again and Envoy knows it. */
async function restarts(end: number, restarted: number[]): Promise<void> {
  for (let i = 0; performance.now() < end; i = (i + 1) % PROCESSES) {
    const pid = servers.pids()[i] as number;
    process.kill(pid, "SIGTERM");
    await vi.waitFor(() => expect(servers.pids()[i]).not.toBe(pid), 30_000);
    await vi.waitFor(async () => expect(await servers.healthy()).toBe(PROCESSES), 30_000);
    restarted.push(i);
  }
}
