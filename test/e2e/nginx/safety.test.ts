/** What goes wrong inside nginx: never a cut connection, never another request's data, never without a bound. */

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { firstWorker } from "../../../tools/run-nginx.ts";
import { type NginxStack, startNginxStack, targetsHere } from "./stack.ts";

const limits = { depth: 31, deadlineMs: 10_000 };
const sections = (onFault?: object | string) => ({
  pipelines: ["hash", "text"],
  limits,
  ...(onFault === undefined ? {} : { onFault }),
});
const config = {
  pipelines: [
    { name: "hash", processes: [{ name: "no-key" }] },
    { name: "text", processes: [{ name: "by-pattern" }, { name: "nest" }] },
    { name: "mark", processes: [{ name: "seen" }] },
  ],
  processDefinitions: [
    { redactor: { name: "no-key", rules: [{ paths: ["secret"], hmac: { key: "${env:AGGLO_TEST_NO_SUCH_KEY}" } }] } },
    {
      transformer: {
        name: "by-pattern",
        forwardInputFields: true,
        specs: [
          {
            sourceField: "text",
            targetField: "text",
            transformation: {
              transformationType: "TransformMapRegex",
              mapRegexArgs: { regex: "[0-9]{1,3}", replace: "x" },
            },
          },
        ],
      },
    },
    {
      transformer: {
        name: "nest",
        forwardInputFields: true,
        specs: [
          { sourceField: "deep", targetField: "a.b.c.deep", transformation: { transformationType: "TransformCopy" } },
        ],
      },
    },
    { annotator: { name: "seen", annotations: [{ fieldKey: "seen", value: "yes" }] } },
  ],
  http: {
    version: 1,
    routes: [
      { name: "guarded", match: { paths: ["/guarded"] }, request: sections() },
      {
        name: "chosen",
        match: { paths: ["/chosen"] },
        request: sections({ error: { reject: { status: 503, body: "later" } } }),
      },
      { name: "open", match: { paths: ["/open"] }, request: sections("pass") },
      { name: "back", match: { paths: ["/back"] }, response: sections("pass") },
      { name: "held", match: { paths: ["/held"] }, gateway: true, response: sections() },
      {
        name: "mark",
        match: { paths: ["/mark"] },
        request: { pipelines: ["mark"], limits },
        response: { pipelines: ["mark"], limits, onFault: "pass" },
      },
    ],
  },
};

const nested = (levels: number) => `${"[".repeat(levels)}1${"]".repeat(levels)}`;

describe.each(await targetsHere())("$target", (here) => {
  let stack: NginxStack;
  let answer = "{}";
  beforeAll(async () => {
    stack = await startNginxStack(config, here, {
      respond: (_seen, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(answer);
      },
      change: (_name, text) => text.replace("worker_processes auto", "worker_processes 1"),
    });
  });
  afterAll(() => stack.stop());

  const post = async (path: string, body: string) => {
    const before = stack.upstream.reached.length;
    const { status, body: sent } = await stack.client.ask({
      path,
      body,
      headers: { "content-type": "application/json" },
    });
    return { status, text: sent.toString(), seen: stack.upstream.reached[before]?.body };
  };

  const throwing: [string, string][] = [
    ["a key that is not set", '{"secret":"x"}'],
    ["a text too long for its pattern", `{"text":"${"a".repeat(200_000)}"}`],
  ];
  // QuickJS prints as deep as it likes.
  if (!here.target.startsWith("qjs")) {
    throwing.push(["a value that becomes deeper than the engine prints", `{"deep":${nested(29)}}`]);
  }
  test.each(throwing)("%s is a fault, as the route says", async (_title, body) => {
    expect(await post("/guarded", body)).toMatchObject({ status: 500, seen: undefined });
    expect(await post("/chosen", body)).toEqual({ status: 503, text: "later", seen: undefined });
    expect(await post("/open", body)).toMatchObject({ status: 200, seen: body });
    answer = body;
    expect((await post("/back", "{}")).text).toBe(body);
    expect((await post("/held", "{}")).status).toBe(502);
    expect(stack.nginx.output()).not.toContain("js exception");
  });

  test("a text that hangs a global pattern of njs 0.7.9 does not", async () => {
    for (const length of [32, 128, 256, 40_000]) {
      const text = `é${"b".repeat(length - 2)}1`;
      expect(JSON.parse((await post("/open", JSON.stringify({ text }))).seen ?? "").text).toBe(`${text.slice(0, -1)}x`);
    }
  });

  test("no request sees what another brought", async () => {
    answer = '{"own":1}';
    const bodies = Array.from(
      { length: 50 },
      (_, i) => `{"id":${i}${i % 7 === 0 ? `,"pad":"${"x".repeat(i * 100)}"` : ""}}`,
    );
    const results = await Promise.all(
      bodies.map((body) => stack.client.ask({ path: "/mark", body, headers: { "content-type": "application/json" } })),
    );
    expect(new Set(results.map(({ body }) => body.toString()))).toEqual(new Set(['{"own":1,"seen":"yes"}']));
    const seen = stack.upstream.reached
      .slice(-bodies.length)
      .map(({ body }) => body)
      .sort();
    expect(seen).toEqual(bodies.map((body) => body.replace(/}$/, ',"seen":"yes"}')).sort());
  });

  test("a client that goes away takes nothing along", async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(stack.nginx.port, "127.0.0.1");
      socket.write("POST /mark HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
      await delay(2);
      socket.destroy();
    }
    expect((await post("/mark", '{"a":1}')).seen).toBe('{"a":1,"seen":"yes"}');
  });
});

/** Of a worker, above what it takes when it starts. Measured: 25 MB for a body of one text, 63 MB for one of 62,000 objects. */
const MEMORY_MB_MAX = 128;

describe.each(await targetsHere())("$target", (here) => {
  test("a body of 1 MB takes a bounded amount of memory", async () => {
    const change = (_name: string, text: string) => text.replace("worker_processes auto", "worker_processes 1");
    const stack = await startNginxStack(config, here, { change });
    try {
      const worker = await firstWorker(stack.nginx);
      const peakMb = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, "utf8"))?.[1]) / 1024;
      const before = peakMb();
      // Many small values are the dearest: an object of the engine takes twenty times its text.
      const list = Array.from({ length: 62_000 }, (_, i) => ({ i: i % 10, j: 2 }));
      for (const event of [{ text: "x".repeat(1_000_000) }, { text: "é".repeat(500_000) }, { list }]) {
        const body = JSON.stringify(event);
        for (let i = 0; i < 3; i++) {
          const headers = { "content-type": "application/json" };
          expect((await stack.client.ask({ path: "/mark", body, headers })).status).toBe(200);
        }
      }
      expect(peakMb() - before).toBeLessThan(MEMORY_MB_MAX);
    } finally {
      await stack.stop();
    }
  });
});
