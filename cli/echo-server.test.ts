import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startBinge } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "agglo-echo-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the server for as long as `use` takes; what it printed then. */
async function withServer(args: string[], use: (url: string) => Promise<void>): Promise<string[]> {
  const { child, said, ended } = startBinge(["echo-server", "--listen", "127.0.0.1:0", ...args], folder);
  const address = /echo-server on (\S+)/.exec(await said("\n"))?.[1];
  try {
    await use(`http://${address}`);
  } finally {
    child.kill("SIGTERM");
  }
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  return stdout.trim().split("\n");
}

test("answers with what it got, JSON as it came, and prints a line per request", async () => {
  const lines = await withServer([], async (url) => {
    const json = await fetch(`${url}/a?b=1`, { method: "PUT", headers: { "x-a": "1" }, body: '{ "n": 1.50 }' });
    expect(json.status).toBe(200);
    const text = await json.text();
    expect(text).toContain('"body":{ "n": 1.50 }}');
    expect(JSON.parse(text)).toMatchObject({
      method: "PUT",
      path: "/a?b=1",
      headers: { "x-a": "1" },
      body: { n: 1.5 },
    });
    expect(await (await fetch(url, { method: "POST", body: "{" })).json()).toMatchObject({ body: "{" });
    expect(await (await fetch(url, { method: "POST", body: Buffer.from([0xff]) })).json()).toMatchObject({
      bodyBase64: "/w==",
    });
    expect(await (await fetch(url)).json()).toMatchObject({ method: "GET", body: "" });
    expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
  });
  expect(lines).toEqual([
    "PUT /a?b=1 13 bytes -> 200",
    "POST / 1 bytes -> 200",
    "POST / 1 bytes -> 200",
    "GET / 0 bytes -> 200",
    "HEAD / 0 bytes -> 200",
  ]);
});

test("--raw gives the bytes back, with their type and the status that is asked for", async () => {
  const lines = await withServer(["--raw", "--status", "503", "--delay", "1"], async (url) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "x/y" },
      body: Buffer.from([0, 255]),
    });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("content-type")).toBe("x/y");
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from([0, 255]));
  });
  expect(lines).toEqual(["POST / 2 bytes -> 503"]);
});

test("a status without a body has none", async () => {
  await withServer(["--status", "204"], async (url) => {
    const answer = await fetch(url, { method: "POST", body: "{}" });
    expect([answer.status, answer.headers.get("content-length"), await answer.text()]).toEqual([204, null, ""]);
  });
});

test("a body that is too long is refused, and a client that leaves is only its own loss", async () => {
  const lines = await withServer([], async (url) => {
    expect((await fetch(url, { method: "POST", body: Buffer.alloc(16 * 1024 * 1024 + 1) })).status).toBe(413);
    const leaving = httpRequest(url, { method: "POST", headers: { "content-length": 5 } });
    leaving.on("error", () => {});
    await new Promise((resolve) => leaving.write("abc", resolve));
    leaving.destroy();
    expect((await fetch(url)).status).toBe(200);
  });
  expect(lines[0]).toBe("POST / over 16777216 bytes -> 413");
  expect(lines).toContain("GET / 0 bytes -> 200");
});

test.each([
  [["--listen", "nowhere"], 69, "cannot listen on nowhere: expected HOST:PORT"],
  [["--status", "99"], 2, "--status is a whole number from 200 to 599"],
])("%j ends with %i", async (args, code, message) => {
  const { ended } = startBinge(["echo-server", ...args], folder);
  const { code: found, stderr } = await ended;
  expect(stderr).toContain(message);
  expect(found).toBe(code);
});
