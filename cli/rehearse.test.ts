import { describe, expect, onTestFinished, test } from "vitest";
import { startTrial } from "../engine/runtime/cases.ts";
import { loadText } from "../engine/runtime/configuration.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import { bodyText, requestMessage, responseMessage } from "./http-message.ts";
import { rehearse } from "./rehearse.ts";

const config = (route: object, always: object = {}) => ({
  pipelines: [{ name: "p", processes: [{ name: "risk" }, { name: "no-bad" }] }],
  processDefinitions: [
    { filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } } } },
    {
      transformer: {
        name: "risk",
        forwardInputFields: true,
        specs: [
          { sourceField: "n", targetField: "internal:risk", transformation: { transformationType: "TransformCopy" } },
        ],
      },
    },
  ],
  http: { version: 1, always, routes: [{ name: "r", ...route }] },
});

async function play(file: object, request: object, response: object = {}) {
  const { plan, systems, diagnostics } = loadText(JSON.stringify(file), "test.json");
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics));
  const trial = await startTrial(plan, systems);
  if ("error" in trial) throw new Error(trial.error);
  onTestFinished(() => trial.close());
  return rehearse(trial.runtime, requestMessage(request), () => responseMessage(response));
}

describe("the metadata of an answer", () => {
  const metadata = async (route: object, body: object) => {
    const { answers } = await play(config({ request: { pipelines: ["p"], metadata: ["internal:risk"], ...route } }), {
      body,
    });
    return answers.request.at(-1)?.dynamicMetadata;
  };

  test("hold what the section names, beside what the host says", async () => {
    expect(await metadata({}, { n: 7 })).toEqual({ agglo: { risk: 7, verdict: "passed" } });
    expect(await metadata({}, { n: { a: 1 }, bad: 1 })).toEqual({
      agglo: { risk: { a: 1 }, route: "r", verdict: "refused", rule: "no-bad" },
    });
  });
});

test("a body without length over the proxy's buffer gets the proxy's own answer", async () => {
  const file = config({ request: { pipelines: ["p"], limits: { bodyBytes: 100 } } });
  const request = { headers: { "transfer-encoding": "chunked" }, body: { a: "x".repeat(70_000) } };
  const { reply, upstream } = await play(file, request);
  expect(headerValue(reply.headers, ":status")).toBe("413");
  expect(upstream).toBeUndefined();
});

test("always writes on responses of routes that have no such section", async () => {
  const always = { response: { setHeaders: { "x-by": "agglo" }, removeHeaders: ["server"] } };
  const { reply } = await play(
    config({ request: { pipelines: ["p"] } }, always),
    { body: {} },
    { headers: { server: "x" } },
  );
  expect(headerValue(reply.headers, "x-by")).toBe("agglo");
  expect(headerValue(reply.headers, "server")).toBeUndefined();
});

test("what no route takes goes by untouched, and nothing is asked", async () => {
  const file = config({ match: { paths: ["/r"] }, request: { pipelines: ["p"] } });
  const { route, answers, upstream, reply } = await play(file, { path: "/x", body: "é" }, { status: 404, body: "no" });
  expect({ route, answers }).toEqual({ route: undefined, answers: { request: [], response: [] } });
  expect(upstream && bodyText(upstream)).toBe("é");
  expect([headerValue(reply.headers, ":status"), bodyText(reply)]).toEqual(["404", "no"]);
});
