import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";

const BINGE = fileURLToPath(new URL("../../../cli/binge.ts", import.meta.url));
const CALLS = "write,writev,pwrite64,pwritev,fdatasync,fsync";

/** strace may be missing, or not allowed to trace. */
const canTrace = spawnSync("strace", ["-qq", "-e", "trace=none", "true"]).status === 0;

test.skipIf(!canTrace)(
  "the kernel sees write, fdatasync, then the 200",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "agglo-syscalls-"));
    const socket = join(folder, "events");
    const trace = join(folder, "trace");
    const partitionUuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    writeFileSync(join(folder, "f.json"), JSON.stringify({ partitionUuid, pipelines: [] }));
    const serve = ["serve", "--config", "f.json", "--listen", `unix:${socket}`, "--durable", "queue"];
    const strace = ["-f", "-qq", "-y", "-e", `trace=${CALLS}`, "-s", "20", "-o", trace];
    // A process group of its own: the tracer does not hand on what it is told.
    const child = spawn("strace", [...strace, process.execPath, BINGE, ...serve], { cwd: folder, detached: true });
    onTestFinished(async () => {
      process.kill(-(child.pid as number), "SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      rmSync(folder, { recursive: true });
    });
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 50_000, interval: 50 });
    for (let i = 0; i < 2; i++) expect(await post(socket)).toBe(200);
    await vi.waitFor(() => expect(steps(trace).filter((step) => step === "200")).toHaveLength(2));
    // The second: the first one's segment begins with a header of its own.
    expect(steps(trace).slice(-3)).toEqual(["write", "fdatasync", "200"]);
  },
  60_000,
);

/** What was done to the queue's segment, and the answers, in order. */
function steps(trace: string): string[] {
  const lines = readFileSync(trace, "utf8").split("\n");
  return lines.flatMap((line) => {
    if (line.includes("HTTP/1.1 200 OK")) return ["200"];
    if (!line.includes(".log>")) return [];
    return line.includes("fdatasync(") ? ["fdatasync"] : ["write"];
  });
}

function post(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path: "/binge", method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    outgoing.on("error", reject).end("{}");
  });
}
