import { describe, expect, test } from "vitest";
import type { Counters, SystemError, TeeSending, TeeTarget } from "../core/ports.ts";
import { deliverTo, directTees } from "./direct-tees.ts";
import { newMemory } from "./memory.ts";
import type { Sent } from "./send.ts";

const NOW = () => Date.UTC(2026, 10, 24, 9);
const SENDING: TeeSending = { tee: "t", keyPrefix: "", batch: null, spool: "" };
const TARGET: TeeTarget = { type: "ExternalHttp", name: "hook", outputType: "web", connectionString: "http://x/" };

function newTees(answer: Sent | SystemError): { tees: ReturnType<typeof directTees>; counted: string[] } {
  const counted: string[] = [];
  const counters: Counters = { add: (name, label, amount) => counted.push(`${name} ${label} ${amount}`) };
  return { tees: directTees(async () => answer, NOW, counters), counted };
}

/** [the reply's body, what the pipeline gets: response, error] */
const REPLIES: readonly (readonly [string, string, string])[] = [
  ["", "", ""],
  [" \r\n", "", ""],
  ["null", "", ""],
  ["{}", "", ""],
  [' {"a": [1, 2.50]}\n', '{"a": [1, 2.50]}', ""],
  ['{"a":1,"a":2}', '{"a":1,"a":2}', ""],
  ["thank you", "", 'the reply of "hook" is not a JSON object: not valid JSON'],
  ["[1]", "", 'the reply of "hook" is not a JSON object'],
  ['"ok"', "", 'the reply of "hook" is not a JSON object'],
  ["false", "", 'the reply of "hook" is not a JSON object'],
  [
    `${'{"a":'.repeat(65)}1${"}".repeat(65)}`,
    "",
    'the reply of "hook" is not a JSON object: nested deeper than 64 levels',
  ],
];

describe("a tee that is waited for", () => {
  test.each(REPLIES)("makes of the reply %j the response %j %s", async (reply, response, error) => {
    const { tees } = newTees({ reply });
    expect(tees.waits).toBe(true);
    expect(await tees.deliver(TARGET, SENDING, "1", "{}")).toEqual({ error, retryable: false, response });
  });

  test("says what went wrong, and counts it", async () => {
    const { tees, counted } = newTees({
      code: "http503",
      message: "error status 503 posting to url 'x'",
      retryable: true,
    });
    const delivery = await tees.deliver(TARGET, SENDING, "1", "{}");
    expect(delivery).toEqual({ error: "error status 503 posting to url 'x'", retryable: true, response: "" });
    expect(counted).toEqual(["teeOffered hook 1", "teeDropped hook|retries 1"]);
  });

  test("counts what was sent, the reply's faults aside", async () => {
    const { tees, counted } = newTees({ reply: "thank you" });
    await tees.deliver(TARGET, SENDING, "1", "{}");
    expect(counted).toEqual(["teeOffered hook 1", "teeSent hook 1"]);
  });

  test("sends by itself what would be in a batch elsewhere, under the prefix of its time", async () => {
    const memory = newMemory();
    const objects = memory.objectStore("o");
    const tees = directTees(
      deliverTo(() => ({ type: "ExternalObjectStore", objects })),
      NOW,
      { add: () => undefined },
    );
    const batch = { events: 9, bytes: 9, ms: 9, codec: "ndjson.gz" } as const;
    await tees.deliver(
      { ...TARGET, type: "ExternalObjectStore" },
      { tee: "t", keyPrefix: "a/{date}/", batch, spool: "" },
      "1",
      "{}",
    );
    expect(objects.keys()).toEqual(["a/2026-11-24/1"]);
    expect(await objects.get("a/2026-11-24/1")).toEqual(Uint8Array.from(Buffer.from("{}")));
  });

  test("answers an error where delivering rejects, which is our own bug", async () => {
    const tees = directTees(() => Promise.reject(new Error("bug")), NOW, { add: () => undefined });
    expect(await tees.deliver(TARGET, SENDING, "1", "{}")).toEqual({
      error: "Error: bug",
      retryable: false,
      response: "",
    });
  });

  test("reaches the open system of its target, with a line end in a key-value store, and says when there is none", async () => {
    const memory = newMemory();
    const store = memory.keyValueStore("kv");
    const deliver = deliverTo((target) => (target.name === "kv" ? { type: "ExternalKVStore", store } : undefined));
    const tees = directTees(deliver, NOW, { add: () => undefined });
    const target: TeeTarget = { ...TARGET, type: "ExternalKVStore", name: "kv" };
    expect(await tees.deliver(target, SENDING, "1", '{"a":1}')).toEqual({ error: "", retryable: false, response: "" });
    expect(await store.get("1")).toEqual(Uint8Array.from(Buffer.from('{"a":1}\n')));
    expect(await tees.deliver({ ...target, name: "gone" }, SENDING, "1", "{}")).toEqual({
      error: 'the system "gone" is not open',
      retryable: false,
      response: "",
    });
  });
});
