/** More bodies at once than the memory budget holds, through a real Envoy: refused or passed as `overload`, never stalled. */
import { expect, test } from "vitest";
import { transportUnderTest } from "../../../tools/start/stack.ts";
import { newClient } from "./client.ts";
import { startTestStack } from "./stack.ts";

const MIB = 1024 * 1024;
const MEMORY_BYTES = 16 * MIB;
const BODIES = 40;
const BODY = JSON.stringify({ text: "x".repeat(3 * MIB) });

const config = (onFault: object) => ({
  pipelines: [{ name: "p", processes: [{ name: "mark" }] }],
  processDefinitions: [{ annotator: { name: "mark", annotations: [{ fieldKey: "m", value: "x" }] } }],
  http: {
    version: 1,
    routes: [
      {
        name: "r",
        match: { paths: ["/**"] },
        request: { pipelines: ["p"], limits: { bodyBytes: 4 * MIB, deadlineMs: 10_000 }, ...onFault },
      },
    ],
  },
});

/** All at once; what came of each: the status, and the bytes that reached the upstream. */
async function sendAll(onFault: object) {
  const respond: Parameters<typeof startTestStack>[1] = (seen, response) => response.end(String(seen.body.length));
  const stack = await startTestStack(config(onFault), respond, { memoryBytes: MEMORY_BYTES });
  const client = newClient(stack.envoy.port, BODIES);
  try {
    const answers = await Promise.all(Array.from({ length: BODIES }, () => client.ask({ body: BODY })));
    const held = stack.runtime.budget.gauges().uses.reduce((sum, { bytes }) => sum + bytes, 0);
    return { answers: answers.map(({ status, body }) => ({ status, text: body.toString() })), held };
  } finally {
    client.close();
    await stack.stop();
  }
}

// grpc-js assembles messages by itself, one after the other: whether there is too much at once is chance.
const onNative = test.skipIf(transportUnderTest() !== "native");

const CHANGED = { status: 200, text: String(BODY.length + ',"m":"x"'.length) };

onNative(
  "what has no room is refused by the route, what has is treated",
  async () => {
    const { answers, held } = await sendAll({});
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(BODIES);
    for (const { status, text } of refused) expect([status, text]).toEqual([503, expect.stringContaining("overload")]);
    for (const answer of answers.filter(({ status }) => status === 200)) expect(answer).toEqual(CHANGED);
    expect(held).toBe(0);
  },
  60_000,
);

onNative(
  "where that passes, it goes on as it came",
  async () => {
    const { answers, held } = await sendAll({ onFault: { overload: "pass" } });
    const passed = { status: 200, text: String(BODY.length) };
    expect(answers).toContainEqual(passed);
    expect(answers).toContainEqual(CHANGED);
    for (const answer of answers) expect([passed, CHANGED]).toContainEqual(answer);
    expect(held).toBe(0);
  },
  60_000,
);
