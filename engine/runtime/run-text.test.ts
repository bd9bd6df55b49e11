import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadText } from "./configuration.ts";
import { answerPost, refusePost, type Wanted } from "./post-answer.ts";
import { failureText, finalText, readEvent, runEvent, runText } from "./run-text.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const CONFIG = {
  partitionUuid: "7b0e0e6e-5f0c-4c9a-9d0b-0d8a1a1f2c11",
  pipelines: [
    { name: "mark", processes: [{ name: "annotate" }] },
    { name: "check", processes: [{ name: "has-id" }] },
    { name: "slow", processes: [{ name: "only-slow" }, { name: "sleep" }] },
    { name: "sum", processes: [{ name: "add" }] },
  ],
  processDefinitions: [
    { annotator: { name: "annotate", annotations: [{ fieldKey: "mark", value: "yes" }] } },
    {
      filter: {
        name: "has-id",
        unless: "has(event.id)",
        reject: { status: 409, headers: { "x-why": "no id" }, body: { error: "no id" } },
      },
    },
    { continuation: { name: "only-slow", condition: "has(event.slow)" } },
    { spawner: { name: "sleep", doSync: true, job: { runnable: { pathToExec: "sleep", cmdArgs: ["30"] } } } },
    {
      transformer: {
        name: "add",
        forwardInputFields: true,
        specs: [{ sourceField: "n", targetField: "total", transformation: { transformationType: "TransformSum" } }],
      },
    },
  ],
};

let runtime: Runtime;
beforeAll(async () => {
  const { plan, systems, diagnostics } = loadText(JSON.stringify(CONFIG), "test.json");
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics));
  runtime = await startRuntime(plan, systems, { log: () => {}, tees: "direct", allowSpawn: true });
});
afterAll(() => runtime.close(1000));

const run = (text: string, contentType = "", deadlineMs = 0) => runText(runtime, text, contentType, deadlineMs);
const nobody: Wanted = { output: false, accept: "" };

describe("events of a text", () => {
  test.each([
    ["an object", '{"id":1}', "application/json", 1],
    ["an array", '[{"id":1},{"id":2}]', "application/json", 2],
    ["NDJSON by its name", '{"id":1}\n\n{"id":2}\n{"id":3}', "application/x-ndjson", 3],
    ["NDJSON under another name", '{"id":1}\n{"id":2}\n', "application/x-www-form-urlencoded", 2],
    ["an object over lines", '{\n"id":\n1,"a":[\n{"b":2}]}', "", 1],
    ["no events", "[]", "", 0],
  ])("%s", async (_what, text, contentType, events) => {
    const { unreadable, failures, finals } = await run(text, contentType);
    expect({ unreadable, failures }).toEqual({ unreadable: "", failures: [] });
    expect(finals.filter((final) => final.pipeline === "mark")).toHaveLength(events);
  });

  test.each([
    ["", "there is no event"],
    [" \n", "there is no event"],
    ["null", "null is no event: expected a JSON object, or an array of them"],
    ["[1]", "element 1 of the array is a number: expected a JSON object"],
    ['{"a":1,"a":2}', "line 1, column 8: a key stands twice in one object"],
    ['{"a":1}\n{"a":', "line 2, column 6: not valid JSON"],
    ["[".repeat(70), "nested deeper than 64 levels"],
  ])("%j is none", async (text, unreadable) => expect((await run(text)).unreadable).toBe(unreadable));

  test("one text, one event", () => {
    expect(readEvent("[]")).toEqual({ unreadable: "not a JSON object" });
    expect(readEvent("{")).toEqual({ unreadable: "not valid JSON" });
  });
});

describe("what comes of them", () => {
  test("each pipeline's end, with an id that all pipelines of the event share and other events do not", async () => {
    const { finals } = await run('[{"id":12.50},{"id":2}]');
    const events = finals.map((final) => JSON.parse(finalText(final)) as { [key: string]: unknown });
    expect(events.map((event) => event["internal:name"])).toEqual(["mark", "check", "sum", "mark", "check", "sum"]);
    const ids = events.map((event) => event["internal:messageID"]);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(new Set(ids).size).toBe(2);
    expect(finalText(finals[1] as (typeof finals)[0])).toMatch(/^\{"id":12\.50,/);
  });

  test("a failing event stops no other and no other pipeline", async () => {
    const { finals, failures } = await run('[{"other":1},{"id":2,"n":"x"},{"id":3}]');
    expect(failures.map((failure) => `${failure.event} ${failureText(failure)}`)).toEqual([
      "1 check: refused by has-id",
      expect.stringMatching(/^2 sum, add: /),
    ]);
    expect(finals.filter((final) => final.pipeline === "mark")).toHaveLength(3);
  });

  test("what does not come back is given up after the deadline, and nothing begins after it", async () => {
    const never = { run: () => new Promise<never>(() => {}) };
    const runner = { pipelines: runtime.pipelines, ports: { ...runtime.ports, commands: never } };
    const { finals, failures } = await runText(runner, '[{"id":1,"slow":1},{"id":2}]', "", Date.now() + 100);
    expect(failures.map(({ event, reason, detail }) => ({ event, reason, detail }))).toEqual([
      { event: 1, reason: "timeout", detail: "no answer by the deadline" },
      { event: 2, reason: "timeout", detail: "not begun before the deadline" },
    ]);
    expect(finals).toEqual([]);
  });

  test("an id that the host gives stays", async () => {
    const event = readEvent('{"id":1}');
    if ("unreadable" in event) throw new Error(event.unreadable);
    const { finals } = await runEvent(runtime, event, "m-1", 0);
    expect(finals.map((final) => final.event.side["internal:messageID"])).toEqual(["m-1", "m-1", "m-1"]);
  });
});

describe("the answer", () => {
  const answer = async (text: string, wanted = nobody) => answerPost(await run(text), wanted);
  const plain = "text/plain; charset=utf-8";

  test("Success", async () =>
    expect(await answer('{"id":1}')).toEqual({ status: 200, headers: [], contentType: plain, body: "Success" }));

  test("the final events, as an array or as lines", async () => {
    const array = await answer('{"id":1}', { output: true, accept: "*/*" });
    expect(array.contentType).toBe("application/json");
    expect((JSON.parse(array.body) as object[]).length).toBe(3);
    const lines = await answer('{"id":\n1}', { output: true, accept: "text/plain, application/x-ndjson;q=0.9" });
    expect(lines.contentType).toBe("application/x-ndjson");
    const events = lines.body.trim().split("\n");
    expect(events.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([1, 1, 1]);
  });

  test("400 for what is no event, as text or as a problem", async () => {
    expect(await answer("no")).toEqual({
      status: 400,
      headers: [],
      contentType: plain,
      body: "line 1, column 1: not valid JSON\n",
    });
    const { contentType, body } = await answer("no", { output: false, accept: "application/json" });
    expect(contentType).toBe("application/problem+json");
    expect(JSON.parse(body)).toEqual({
      type: "about:blank",
      title: "Bad Request",
      status: 400,
      detail: "line 1, column 1: not valid JSON",
    });
  });

  test("one refusal is answered as its filter says", async () =>
    expect(await answer("{}")).toEqual({
      status: 409,
      headers: [{ name: "x-why", value: "no id" }],
      contentType: "application/json",
      body: '{"error":"no id"}',
    }));

  test("several: the status of the first, and each with its event, pipeline and process", async () => {
    const { status, body } = await answer("[{},{}]", { output: false, accept: "application/problem+json" });
    expect(status).toBe(409);
    expect(JSON.parse(body)).toMatchObject({
      detail: "event 1: check: refused by has-id\nevent 2: check: refused by has-id",
      failures: [
        { event: 1, pipeline: "check", process: "has-id", reason: "refused" },
        { event: 2, pipeline: "check", process: "has-id", reason: "refused" },
      ],
    });
  });

  test("500 when anything else failed, whatever was refused beside it", async () => {
    const { status, body } = await answer('[{},{"id":2,"n":"secret"}]');
    expect(status).toBe(500);
    expect(body).toMatch(/^event 1: check: refused by has-id\nevent 2: sum, add: /);
    expect(body).not.toContain("secret");
  });

  test("of very many failures the first are told", async () => {
    const { body } = await answer(`[${"{},".repeat(149)}{}]`);
    expect(body.split("\n")).toHaveLength(102);
    expect(body).toContain("and 50 more\n");
  });

  test("a host refuses in the same words", () =>
    expect(refusePost(413, "too large", "application/json").body).toContain('"title":"Content Too Large"'));
});
