import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBinge } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "agglo-genevents-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  const kvs = { n: { counter: { counterName: "n" } }, word: { randomString: { minLen: 5, maxLen: 9 } } };
  writeFileSync(join(folder, "schema.json"), JSON.stringify({ schemas: [{ name: "s", root: { kvs } }] }));
});

const genevents = (...args: string[]) => startBinge(["genevents", "--schema", "schema.json", ...args], folder);

test("the same seed gives the same bytes, to standard output and to a file; without one a seed is made and said", async () => {
  const { code, stdout, stderr } = await genevents("--count", "20", "--seed", "5").ended;
  expect(code).toBe(0);
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { n: number }).n),
  ).toEqual([...Array(20).keys()]);
  expect(stderr).toMatch(/^seed 5: 20 sent, 20 accepted, 0 refused, 0 failed; [\d.]+ s, \d+\/s\n$/);
  writeFileSync(join(folder, "out"), "longer than the events are".repeat(100));
  await genevents("--count", "20", "--seed", "5", "--output", "out").ended;
  expect(readFileSync(join(folder, "out"), "utf8")).toBe(stdout);
  const unnamed = await genevents("--count", "20").ended;
  const seed = /seed (\d+)/.exec(unnamed.stderr)?.[1] ?? "none";
  expect((await genevents("--count", "20", "--seed", seed).ended).stdout).toBe(unnamed.stdout);
});

test("posts to a URL over as many connections as may be under way, and counts what came of it", async () => {
  const bodies: { n: number }[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const event = JSON.parse(body) as { n: number };
    bodies.push(event);
    if (event.n === 7) request.socket.destroy();
    else response.writeHead(event.n % 10 === 3 ? 503 : 200).end("{}");
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
  try {
    const args = ["--count", "50", "--seed", "1", "--output", url, "--concurrency", "4", "--summary", "summary.json"];
    const { code, stdout, stderr } = await genevents(...args).ended;
    const summary = JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"));
    expect(summary).toMatchObject({
      seed: 1,
      sent: 50,
      accepted: 44,
      refused: { "503": 5 },
      failed: { ECONNRESET: 1 },
      late: 0,
    });
    expect(stderr).toContain("50 sent, 44 accepted, 5 refused (503: 5), 1 failed (ECONNRESET: 1)");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(new Set(bodies.map(({ n }) => n))).toEqual(new Set(Array(50).keys()));
    expect(connections).toBeLessThanOrEqual(6); // four, and those in place of the one that broke
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a signal ends it with what it has counted", async () => {
  const { child, ended } = genevents("--count", "1000000", "--rate", "100");
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  expect(code).toBe(143);
  expect(stderr).toContain(`: ${stdout.trim().split("\n").length} sent`);
});

test.each([
  [["--output", "http://127.0.0.1:1/", "--count", "3"], 69, "3 failed (ECONNREFUSED: 3)"],
  [["--schema", "gone.json"], 66, "gone.json: there is no such file"],
  [["--seed", "-1"], 2, "Option '--seed' argument is ambiguous"],
  [["--concurrency", "2"], 2, "--concurrency goes with a URL as --output"],
  [["--output", "gone/out"], 73, "gone/out: cannot create it: ENOENT"],
])("%j ends with %i", async (args, code, message) => {
  const ended = await genevents(...args).ended;
  expect(ended.stderr).toContain(message);
  expect(ended.code).toBe(code);
});

test("what is wrong with a schema is said with its place", async () => {
  writeFileSync(join(folder, "wrong.json"), '{"schemas":[\n{"name":"s","root":{"kvs":{"a":{"randomNumber":{}}}}}]}');
  const { code, stderr } = await genevents("--schema", "wrong.json").ended;
  expect(stderr).toMatch(
    /^wrong\.json:2:\d+ E_UNKNOWN_FIELD .*schemas\[0\]\.root\.kvs\.a\.randomNumber: no such field; did you mean "randomNumeric"\?/,
  );
  expect(code).toBe(78);
});
