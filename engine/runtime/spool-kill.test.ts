/**
 * A process with a spooled tee is killed again and again, and its target fails at random: whatever was on disk arrives.
 * AGGLO_SPOOL_KILLS says how often.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";

const SCRIPT = fileURLToPath(new URL("testing/spool-process.ts", import.meta.url));
const KILLS = Number(process.env.AGGLO_SPOOL_KILLS ?? 8);

/** Takes what it gets, but for a part of it: answered 503, or not at all though it has it. */
async function startTarget() {
  const arrived = new Map<number, number>();
  const ids = new Map<number, Set<unknown>>();
  const state = { isWell: false };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const luck = state.isWell ? 1 : Math.random();
      if (luck < 0.1) {
        response.writeHead(503).end();
        return;
      }
      const { n } = JSON.parse(Buffer.concat(chunks).toString()) as { n: number };
      ids.set(n, (ids.get(n) ?? new Set()).add(request.headers["idempotency-key"]));
      arrived.set(n, (arrived.get(n) ?? 0) + 1);
      if (luck < 0.15) request.socket.destroy();
      else response.writeHead(200).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, arrived, ids, state };
}

function start(folder: string, url: string, ...rest: string[]): ChildProcess {
  const child = spawn(process.execPath, [SCRIPT, folder, url, ...rest], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

it("delivers whatever was on disk when its process was killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-spool-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const target = await startTarget();
  const accepted: number[] = [];
  for (let round = 0; round < KILLS; round++) {
    const first = round * 1_000_000;
    let synced = first - 1;
    const child = start(folder, target.url, String(first));
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      synced = Number(/^synced (\d+)$/.exec(line)?.[1]);
    });
    await once(lines, "line");
    await delay(Math.random() * 300);
    child.kill("SIGKILL");
    await once(child, "close");
    for (let n = first; n <= synced; n++) accepted.push(n);
  }
  target.state.isWell = true;
  const last = start(folder, target.url, "0", "drain");
  const [code] = (await once(last, "close")) as [number];
  expect(code).toBe(0);
  const lost = accepted.filter((n) => !target.arrived.has(n));
  expect(lost).toEqual([]);
  const renamed = [...target.ids].filter(([, ids]) => ids.size > 1);
  expect(renamed, "a copy has one id in every life").toEqual([]);
  expect(accepted.length).toBeGreaterThanOrEqual(20 * KILLS);
  const twice = [...target.arrived.values()].reduce((sum, times) => sum + times - 1, 0);
  const line = `${KILLS} kills, ${accepted.length} copies on disk, 0 lost, ${twice} of ${target.arrived.size} more than once\n`;
  process.stdout.write(line);
}, 120_000);
