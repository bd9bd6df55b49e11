import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { startBinge } from "./testing.ts";

const ORDERS = fileURLToPath(new URL("../examples/orders/orders.json", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "agglo-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const WRONG = file("wrong.json", '{\n  "pipelines": [{ "name": "p", "processes": [{ "name": "x" }] }]\n}');
const RIGHT = file(
  "right.json",
  '{"pipelines": [], "http": {"version": 1, "routes": [{"name": "all", "request": {"setHeaders": {"x-a": "b"}}}]}}',
);
const UNBOUND = file(
  "unbound.json",
  '{"partitionUuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "pipelines": [{"name": "p", "processes": []}]}',
);
const SECRET = file(
  "secret.json",
  '{"http":{"version":1,"routes":[{"name":"all","request":{"pipelines":["p"]}}]},"pipelines":[{"name":"p","processes":[{"name":"r"}]}],"processDefinitions":[{"redactor":{"name":"r","rules":[{"paths":["a"],"hmac":{"key":"${env:AGGLO_TEST_ABSENT}"}}]}}]}',
);

const ASKING = file(
  "asking.json",
  '{"http":{"version":1,"routes":[{"name":"all","request":{"pipelines":["p"]}}]},"pipelines":[{"name":"p","processes":[{"name":"ask"},{"name":"go"}]}],"processDefinitions":[{"tee":{"name":"ask","outputConnectorRef":"scores"}},{"continuation":{"name":"go","condition":"internal[\\"tee:output\\"][0].response.ok"}}],"externalSystems":[{"externalType":"ExternalHttp","name":"scores","connectionString":"http://127.0.0.1:1/"}]}',
);

const start = (args: string[]) => startBinge(args, folder);

describe("every ending has its code and one clear sentence", () => {
  const cases: [string, string[], number, RegExp][] = [
    ["no verb", [], 2, /no verb is given/],
    ["an unknown verb", ["lnt"], 2, /there is no verb "lnt"/],
    ["a name every object has", ["constructor"], 2, /there is no verb/],
    ["no file", ["lint"], 2, /name at least one file/],
    [
      "too little memory",
      ["extproc", "--config", RIGHT, "--listen", "x", "--memory", "15MiB"],
      2,
      /a size from 16MiB on/,
    ],
    ["no size", ["extproc", "--config", RIGHT, "--listen", "x", "--memory", "much"], 2, /size .* not "much"/],
    ["an unknown option", ["envoy", "--cnfig", "x"], 2, /Unknown option '--cnfig'/],
    ["a missing option", ["envoy"], 2, /--config is missing/],
    ["a port that is none", ["envoy", "--config", RIGHT, "--port", "http"], 2, /--port is a port/],
    [
      "a pipeline that nothing is called",
      ["extproc", "--config", UNBOUND, "--listen", "127.0.0.1:0", "--request", "q"],
      78,
      /E_REFERENCE {2}pipelines: --request names "q", and no pipeline is called so; there are p/,
    ],
    [
      "pipelines bound twice",
      ["envoy", "--config", RIGHT, "--response", "p"],
      78,
      /E_ONE_OF {2}http: the file binds its pipelines itself, and so do --request and --response; leave the options out/,
    ],
    ["an address that is none", ["envoy", "--config", RIGHT, "--listen", "50051"], 2, /--listen is HOST:PORT/],
    [
      "a file that is not there",
      ["extproc", "--config", "none.json", "--listen", "127.0.0.1:0"],
      78,
      /there is no such file/,
    ],
    [
      "threads that are no number",
      ["extproc", "--config", RIGHT, "--listen", "127.0.0.1:0", "--threads", "all"],
      2,
      /--threads is a number from 0 to 64, not "all"/,
    ],
    ["a wrong configuration", ["extproc", "--config", WRONG, "--listen", "127.0.0.1:0"], 78, /:2:\d+ +E_REFERENCE/],
    ["a secret that is not there", ["extproc", "--config", SECRET, "--listen", "127.0.0.1:0"], 78, /AGGLO_TEST_ABSENT/],
    [
      "a system that is not there",
      ["extproc", "--config", ORDERS, "--listen", "127.0.0.1:0"],
      69,
      /"archive".*mirrored/,
    ],
    [
      "an address nobody can listen on",
      ["extproc", "--config", RIGHT, "--listen", "unix:/nowhere/x.sock"],
      69,
      /cannot listen on unix/,
    ],
  ];
  test.concurrent.each(cases)("%s", async (_title, args, code, message) => {
    const { code: got, stderr } = await start(args).ended;
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /); // a stack trace
    expect(got).toBe(code);
  });
});

describe("lint", () => {
  test("answers 0 for files that are right, with the policy of every route", async () => {
    const { code, stdout } = await start(["lint", ORDERS, RIGHT]).ended;
    expect(stdout).toContain("orders request: contentType 415, unparsable 400");
    expect(stdout).toContain("orders without agglo: refused");
    expect(code).toBe(0);
  });

  test("answers 1 when one is wrong or missing, and still looks at the others", async () => {
    const { code, stdout } = await start(["lint", WRONG, "none.json", RIGHT]).ended;
    expect(stdout).toContain("E_REFERENCE");
    expect(stdout).toContain("none.json: cannot read");
    expect(stdout).toContain("right.json: ok");
    expect(code).toBe(1);
  });

  test("says which tees a proxy waits for, and for whom", async () => {
    const { code, stdout } = await start(["lint", ASKING]).ended;
    expect(stdout).toContain('waits for the target of tee "ask": "go" reads its result');
    expect(code).toBe(0);
  });

  test("resolves no secret", async () => {
    expect((await start(["lint", SECRET]).ended).code).toBe(0);
  });
});

test("envoy prints a bootstrap, and with --filter-only what to paste", async () => {
  const whole = await start(["envoy", "--config", ORDERS, "--listen", "unix:/run/agglo.sock"]).ended;
  expect(whole.stdout).toContain("static_resources:");
  expect(whole.stdout).toContain("pipe: { path: '/run/agglo.sock' }");
  const part = await start(["envoy", "--config", ORDERS, "--filter-only"]).ended;
  expect(part.stdout).toContain("x-agglo-route");
  expect(part.stdout).not.toContain("static_resources:");
});

test("envoy and extproc bind a file without http by names, and observe it otherwise", async () => {
  const bound = await start(["envoy", "--config", UNBOUND, "--request", "p", "--response", "p"]).ended;
  expect(bound.stdout).toContain("value: 'all@SSSTSTO'");
  const observed = await start(["envoy", "--config", UNBOUND]).ended;
  expect(observed.stdout).toContain("value: 'all@SKSTNO'");
  expect(observed.stdout).toContain("failure_mode_allow: true");
});
