/**
 * A durable daemon under load, killed with SIGKILL at random moments, its start included, and started again. A ledger
 * outside it holds what was acknowledged; a target outside it holds what came of that.
 *
 *   npm run test:kills [-- KILLS]     1000 when left out; prints what was found, exit 1 when anything was lost
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startBinge } from "../../../cli/testing.ts";

export type KillsFound = {
  kills: number;
  /** of these, while the daemon was starting */
  atStart: number;
  /** 200 was heard */
  acknowledged: number;
  /** acknowledged and never delivered */
  lost: number;
  /** deliveries of what was delivered before */
  duplicates: number;
  /** delivered, though the answer was never heard: the process was gone before it came */
  unheard: number;
  /** delivered, and nobody ever sent it */
  invented: number;
};

const CLIENTS = 16;
/** How long it runs before it is killed, at most; of its start, the part in which it may be. */
const LIFE_MS_MAX = 400;
const START_MS_MAX = 1500;
/** One kill in so many comes while it starts. */
const AT_START_EVERY = 5;
const DRAIN_MS_MAX = 120_000;

type Rig = {
  folder: string;
  socket: string;
  admin: string;
  agent: Agent;
  sent: number;
  /** ids that were acknowledged */
  ledger: Set<string>;
  /** deliveries by id */
  delivered: Map<string, number>;
  invented: number;
  over: boolean;
};

export async function runKills(kills: number, say: (line: string) => void = () => {}): Promise<KillsFound> {
  const folder = mkdtempSync(join(tmpdir(), "agglo-kills-"));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const files = { socket: join(folder, "events"), admin: join(folder, "admin") };
  const counts = { sent: 0, ledger: new Set<string>(), delivered: new Map<string, number>(), invented: 0, over: false };
  const rig: Rig = { folder, agent, ...files, ...counts };
  const target = await startTarget(rig);
  writeFileSync(join(folder, "kills.json"), configuration(target.url));
  const clients = Array.from({ length: CLIENTS }, () => post(rig));
  let atStart = 0;
  for (let i = 1; i <= kills; i++) {
    if (await killOnce(rig)) atStart++;
    if (i % 50 === 0) say(`${i} kills, ${rig.ledger.size} acknowledged`);
  }
  rig.over = true;
  await Promise.all(clients);
  await workOff(rig);
  agent.destroy();
  target.close();
  rmSync(folder, { recursive: true });
  return found(rig, kills, atStart);
}

function found({ ledger, delivered, invented }: Rig, kills: number, atStart: number): KillsFound {
  let duplicates = 0;
  for (const times of delivered.values()) duplicates += times - 1;
  const lost = [...ledger].filter((id) => !delivered.has(id)).length;
  const unheard = [...delivered.keys()].filter((id) => !ledger.has(id)).length;
  return { kills, atStart, acknowledged: ledger.size, lost, duplicates, unheard, invented };
}

function configuration(url: string): string {
  return JSON.stringify({
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "deliver", processes: [{ name: "tee" }] }],
    processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "target" } }],
    externalSystems: [{ externalType: "ExternalHttp", name: "target", connectionString: url }],
  });
}

function startTarget(rig: Rig): Promise<{ url: string; close(): void }> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { n, "internal:messageID": id } = JSON.parse(Buffer.concat(chunks).toString()) as Delivered;
      rig.delivered.set(id, (rig.delivered.get(id) ?? 0) + 1);
      if (!Number.isInteger(n) || n < 1 || n > rig.sent) rig.invented++;
      response.writeHead(204).end();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      resolve({ url, close: () => void server.close().closeAllConnections() });
    });
  });
}

type Delivered = { n: number; "internal:messageID": string };

function start({ folder, socket, admin }: Rig): ReturnType<typeof startBinge> {
  const doors = ["--listen", `unix:${socket}`, "--admin", `unix:${admin}`];
  return startBinge(["serve", "--config", "kills.json", "--durable", "queue", ...doors], folder);
}

/** True where it was killed before it served. */
async function killOnce(rig: Rig): Promise<boolean> {
  const { child, said, ended } = start(rig);
  const early = randomInt(AT_START_EVERY) === 0;
  const serving = said("events on").then(
    () => true,
    () => false, // it was killed first
  );
  if (early) await Promise.race([serving, delay(randomInt(START_MS_MAX))]);
  else if (!(await serving)) throw new Error(`the daemon does not start: ${(await ended).stderr}`);
  else await delay(randomInt(LIFE_MS_MAX));
  child.kill("SIGKILL");
  await ended;
  return early;
}

/** A client: one event after the other, whether there is a daemon or not. */
async function post(rig: Rig): Promise<void> {
  while (!rig.over) {
    const answer = await sendOne(rig, `{"n":${++rig.sent}}`);
    if (answer.status === 200) rig.ledger.add(answer.id);
    else await delay(5);
  }
}

/** Status 0: no answer. */
function sendOne({ socket, agent }: Rig, body: string): Promise<{ status: number; id: string }> {
  return new Promise((resolve) => {
    const none = () => resolve({ status: 0, id: "" });
    const outgoing = request({ socketPath: socket, path: "/binge", method: "POST", agent }, (response) => {
      const { statusCode = 0, headers } = response;
      response.on("error", none);
      response.resume().on("end", () => resolve({ status: statusCode, id: String(headers["x-agglo-message-id"]) }));
    });
    outgoing.on("error", none);
    outgoing.on("close", none);
    outgoing.end(body);
  });
}

/** Starts it for the last time, and waits until its queue is empty. */
async function workOff(rig: Rig): Promise<void> {
  const { child, said, ended } = start(rig);
  await said("admin on");
  const endMs = Date.now() + DRAIN_MS_MAX;
  while (Date.now() < endMs && !/^agglo_queue_depth 0$/m.test(await metrics(rig))) await delay(100);
  child.kill("SIGTERM");
  await ended;
}

function metrics({ admin }: Rig): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: admin, path: "/metrics" }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
    });
    outgoing.on("error", reject).end();
  });
}

if (import.meta.main) {
  const kills = Number(process.argv[2] ?? 1000);
  const since = Date.now();
  const result = await runKills(kills, (line) => void process.stdout.write(`${line}\n`));
  process.stdout.write(`${JSON.stringify({ ...result, seconds: Math.round((Date.now() - since) / 1000) })}\n`);
  if (result.lost > 0 || result.invented > 0) process.exitCode = 1;
}
