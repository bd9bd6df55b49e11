import { describe, expect, test } from "vitest";
import { testRegexps } from "../core/testing.ts";
import { loadConfig } from "./load.ts";
import { printDiagnostics } from "./print.ts";
import type { Binding } from "./routes.ts";
import { findSlips } from "./strict.ts";

const file = {
  partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
  pipelines: [
    { name: "a", processes: [{ name: "refuse" }] },
    { name: "b", processes: [{ name: "mirror" }] },
    { name: "kept", processes: [{ name: "mirror" }], checkpoint: { outputConnectorRef: "state" } },
  ],
  processDefinitions: [
    { filter: { name: "refuse", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } } } },
    { tee: { name: "mirror", outputConnectorRef: "state" } },
  ],
  externalSystems: [{ externalType: "ExternalKVStore", name: "state", connectionString: "mem:state" }],
};

function load(http: object | undefined, bind?: Binding) {
  const text = JSON.stringify({ ...file, ...(http === undefined ? {} : { http: { version: 1, ...http } }) });
  const loaded = loadConfig(text, {
    file: "test.json",
    regexps: testRegexps,
    systemForm: (_type, connectionString) => ({ outputType: "kvstore", connectionString }),
    ...(bind === undefined ? {} : { bind }),
  });
  const lines = printDiagnostics(loaded.diagnostics, loaded.document).split("\n").slice(0, -1);
  return { ...loaded, routes: loaded.plan?.routes, complaints: lines.map((line) => line.replace(/^\S+ /, "")) };
}

const names = (pipelines: number[] | undefined) => pipelines?.map((index) => file.pipelines[index]?.name);

describe("always", () => {
  test("runs before a request's own pipelines and after a response's, also where a route has no such section", () => {
    const { routes, complaints } = load({
      always: {
        request: { pipelines: ["b"], setHeaders: { "x-by": "always" }, removeHeaders: ["x-debug"] },
        response: { pipelines: ["b"] },
      },
      routes: [
        { name: "x", match: { paths: ["/x"] }, request: { pipelines: ["a"] }, response: { pipelines: ["a"] } },
        { name: "y", request: { pipelines: ["a"], setHeaders: { "x-by": "route" } } },
      ],
    });
    expect(complaints).toEqual([]);
    expect(names(routes?.[0]?.request?.pipelines)).toEqual(["b", "a"]);
    expect(names(routes?.[0]?.response?.pipelines)).toEqual(["a", "b"]);
    expect(names(routes?.[1]?.response?.pipelines)).toEqual(["b"]);
    expect(routes?.[0]?.request?.removeHeaders).toEqual(["x-debug"]);
    expect(routes?.[1]?.request?.setHeaders.map(({ value }) => value)).toEqual(["always", "route"]);
  });

  test("with a rule makes every route guard", () => {
    const { routes } = load({ always: { request: { pipelines: ["a"] } }, routes: [{ name: "x", response: {} }] });
    expect(routes?.[0]?.request?.onFault.unparsable?.status).toBe(400);
  });

  test("is complained of once, at its own place", () => {
    const { complaints } = load({
      always: { request: { pipelines: ["c"], setHeaders: { host: "x" } } },
      routes: ["x", "y"].map((name) => ({ name, match: { paths: [`/${name}`] }, request: { pipelines: ["a"] } })),
    });
    expect(complaints).toEqual([
      'E_REFERENCE  http.always.request.pipelines[0]: no pipeline is called "c"',
      expect.stringMatching(/^E_HEADER {2}http\.always\.request\.setHeaders\.host: header "host" follows/),
    ]);
  });

  test("says nothing of faults and limits, which are each route's", () => {
    const { complaints } = load({ always: { request: { onFault: "pass" } }, routes: [] });
    expect(complaints[0]).toMatch(
      /E_UNKNOWN_FIELD {2}http\.always\.request\.onFault: no such field; known here: pipel/,
    );
  });
});

describe("enforce: false", () => {
  const { routes, plan, slips } = load({
    routes: [{ name: "dry", enforce: false, request: { pipelines: ["a"], removeHeaders: ["x-a"] }, response: {} }],
  });

  test("is in both sections, and keeps the policy that would be", () => {
    expect(routes?.[0]?.request).toMatchObject({ enforce: false, removeHeaders: [], guards: false });
    expect(routes?.[0]?.response?.enforce).toBe(false);
    expect(routes?.[0]?.request?.onFault.unparsable?.status).toBe(400);
  });

  test("is a way past every rule of it, says lint --strict", () => {
    const messages = plan === undefined ? [] : findSlips(plan, slips).map((slip) => slip.message);
    const said = "route dry is a dry run: nothing is changed and nothing refused";
    expect(messages.filter((message) => message === said)).toHaveLength(1);
  });
});

test("exchange is in the plan, with its default", () => {
  const { routes, complaints } = load({ routes: [{ name: "x", exchange: { pipelines: ["b"] } }] });
  expect(complaints).toEqual([]);
  expect(routes?.[0]?.exchange).toEqual({ pipelines: [1], bodyBytes: 65_536 });
});

describe("what cannot be or cannot hold is said with its place and a remedy", () => {
  const guarded = { pipelines: ["a"] };
  const cases: [string, object[], string | RegExp][] = [
    [
      "an exchange of nothing",
      [{ name: "x", exchange: {} }],
      /E_MISSING_FIELD {2}http\.routes\[0\]\.exchange\.pipelines: expected an array, found nothing; add "pipelines"/,
    ],
    [
      "an exchange that nothing is called",
      [{ name: "x", exchange: { pipelines: ["z"] } }],
      'E_REFERENCE  http.routes[0].exchange.pipelines[0]: no pipeline is called "z"',
    ],
    [
      "an exchange that keeps checkpoints",
      [{ name: "x", exchange: { pipelines: ["kept"] } }],
      /E_VALUE {2}http\.routes\[0\]\.exchange\.pipelines\[0\]: pipeline "kept" keeps checkpoints/,
    ],
    [
      "metadata from the body",
      [{ name: "x", request: { metadata: ["risk"] } }],
      'E_PATH  http.routes[0].request.metadata[0]: metadata are taken from what stands under internal:, found "risk"; write a path like "internal:risk"',
    ],
    [
      "metadata the host writes",
      [{ name: "x", request: { metadata: ["internal:verdict"] } }],
      'E_PATH  http.routes[0].request.metadata[0]: "verdict" is what the host itself says there; choose another',
    ],
    [
      "a coding that the body would not have",
      [{ name: "x", request: { setHeaders: { "content-encoding": "gzip" } } }],
      /E_HEADER .*setHeaders\.content-encoding: header "content-encoding" follows from the message/,
    ],
    [
      "a header in two spellings",
      [{ name: "x", request: { setHeaders: { "X-A": "1", "x-a": "2" } } }],
      /E_HEADER .*setHeaders\.x-a: header "x-a" stands here twice/,
    ],
    [
      "removing what the proxy keeps",
      [{ name: "x", request: { removeHeaders: ["Host"] } }],
      /E_HEADER .*removeHeaders\[0\]: header "Host" follows from the message/,
    ],
    [
      "a reply with Envoy's own header",
      [{ name: "x", request: { ...guarded, onFault: { error: { reject: { headers: { "x-envoy-a": "1" } } } } } }],
      /E_HEADER .*headers\.x-envoy-a: header "x-envoy-a" is Envoy's own and not let through/,
    ],
    [
      "setting and removing",
      [{ name: "x", request: { setHeaders: { "x-a": "1" }, removeHeaders: ["x-a"] } }],
      'W_UNUSED  http.routes[0].request.removeHeaders[0]: header "x-a" is set, so it is not removed',
    ],
    [
      "more header operations than the proxy takes",
      [{ name: "x", request: { removeHeaders: Array.from({ length: 81 }, (_, i) => `x-${i}`) } }],
      /E_HEADER {2}http\.routes\[0\]\.request: 81 headers to set and remove/,
    ],
    [
      "a route that nothing gets to",
      [
        { name: "rest", match: { hosts: ["*"], paths: ["/**"] }, request: guarded },
        { name: "x", match: { paths: ["/x"] }, request: guarded },
      ],
      'W_UNUSED  http.routes[1].name: nothing gets to "x": route "rest" before it takes everything; put "rest" last',
    ],
    [
      "a large body that is to pass",
      [{ name: "x", request: { ...guarded, onFault: { tooLarge: "pass" } } }],
      /W_POLICY {2}http\.routes\[0\]\.request\.onFault: a body without content-length that is over 2162688 bytes gets Envoy's own 413/,
    ],
    [
      "passing a stream of events without the server",
      [{ name: "x", request: { ...guarded, contentTypes: ["application/x-ndjson"], onFault: { error: "pass" } } }],
      /W_POLICY .*onFault: events that are treated one by one cannot pass without the server once the first/,
    ],
    [
      "passing a stream of events without memory",
      [{ name: "x", request: { ...guarded, contentTypes: ["application/x-ndjson"], onFault: { overload: "pass" } } }],
      /W_POLICY .*onFault: what comes while an event is being treated cannot pass when no memory is left/,
    ],
    [
      "a fault that no deadline brings",
      [{ name: "x", request: { ...guarded, limits: { deadlineMs: 0 }, onFault: { timeout: "pass" } } }],
      /W_POLICY .*there is no deadline/,
    ],
    [
      "a fault of a body that is not read",
      [{ name: "x", request: { setHeaders: { "x-a": "1" }, onFault: { unparsable: "pass" } } }],
      /W_POLICY .*without pipelines no body is read, and there is no fault unparsable/,
    ],
    [
      "passing in one direction without the server",
      [{ name: "x", request: { ...guarded, onFault: { error: "pass" } }, response: guarded }],
      /W_POLICY .*without the server Envoy refuses this route's exchanges, for its response section refuses/,
    ],
  ];
  test.each(cases)("%s", (_title, routes, message) => {
    expect(load({ routes }).complaints).toEqual([
      typeof message === "string" ? message : expect.stringMatching(message),
    ]);
  });

  test("and a default is not complained of", () => {
    expect(load({ routes: [{ name: "x", request: { pipelines: ["b"] }, response: guarded }] }).complaints).toEqual([]);
  });
});

describe("a file without http", () => {
  test("binds nothing unless it is asked to", () => {
    expect(load(undefined).routes).toBeUndefined();
  });

  test("is observed under a proxy: every pipeline, separately, in a dry run that may fail open", () => {
    const { routes, complaints } = load(undefined, "observe");
    expect(complaints).toEqual([]); // checkpoints included: an original file loads unchanged
    expect(routes?.[0]?.request).toMatchObject({ pipelines: [0, 1, 2], separate: true, enforce: false });
    expect(routes?.[0]?.response).toBeUndefined();
  });

  test("is bound by names", () => {
    const { routes } = load(undefined, { request: ["b", "a"], response: ["b"] });
    expect(routes).toHaveLength(1);
    expect(names(routes?.[0]?.request?.pipelines)).toEqual(["b", "a"]);
    expect(routes?.[0]?.request).toMatchObject({ separate: false, enforce: true });
    expect(names(routes?.[0]?.response?.pipelines)).toEqual(["b"]);
  });

  test("names that nothing has, or that keep checkpoints, are complained of", () => {
    expect(load(undefined, { request: ["aa"], response: ["kept"] }).complaints).toEqual([
      expect.stringMatching(/E_VALUE {2}response\.pipelines\[0\]: pipeline "kept" keeps checkpoints/),
      'E_REFERENCE  pipelines: --request names "aa", and no pipeline is called so; there are a, b, kept',
    ]);
  });

  test("names beside an http section are complained of; observing is for files without one", () => {
    const http = { routes: [{ name: "x", request: { pipelines: ["a"] } }] };
    expect(load(http, { request: ["a"], response: [] }).complaints[0]).toMatch(/E_ONE_OF {2}http: the file binds/);
    expect(load(http, "observe").routes?.[0]?.name).toBe("x");
  });
});
