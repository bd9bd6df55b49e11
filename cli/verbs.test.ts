import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const BINGE = fileURLToPath(new URL("./binge.ts", import.meta.url));
const ORDERS = fileURLToPath(new URL("../examples/orders/orders.json", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "agglo-verbs-"));
mkdirSync(join(folder, "mirrored"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Ended = { code: number | null; stdout: string; stderr: string };

function binge(args: string[], stdin = ""): Promise<Ended> {
  const child = spawn(process.execPath, [BINGE, ...args], { cwd: folder });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.end(stdin);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

function file(name: string, content: object): string {
  writeFileSync(join(folder, name), JSON.stringify(content));
  return join(folder, name);
}

describe("binge run", () => {
  test("prints a line per final event, in order, and complains of a failing one by its line", async () => {
    const input = '{"id":1, "total": 12.50}\n\nno\n{"id":2,"total":300}\n';
    const { code, stdout, stderr } = await binge(["run", "--config", ORDERS, "--pipeline", "prepare"], input);
    expect(stdout).toBe(
      '{"id":1, "total": 12.50,"internal:name":"prepare"}\n{"id":2,"total":300,"priority":"high","internal:name":"prepare"}\n',
    );
    expect(stderr).toBe("line 3: not valid JSON\n");
    expect(code).toBe(1);
  });

  test("without a pipeline runs every one, each on the event as it came in; a stop is no failure", async () => {
    const { code, stdout } = await binge(["run", "--config", ORDERS], '{"items":[1]}\n');
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { "internal:name": string })["internal:name"]),
    ).toEqual(["check", "prepare", "mask"]);
    expect(code).toBe(0);
  });

  test("waits for its copies and records them in the event", async () => {
    const before = readdirSync(join(folder, "mirrored")).length;
    const { stdout } = await binge(["run", "--config", ORDERS, "--pipeline", "mirror"], '{"priority":"high"}\n');
    const output = (JSON.parse(stdout) as { "internal:tee:output": { outputType: string }[] })["internal:tee:output"];
    expect(output.map((entry) => entry.outputType)).toEqual(["object", "localfile"]);
    expect(readdirSync(join(folder, "mirrored")).length).toBe(before + 1);
  });

  test("through a route prints what the proxy would send on, to the byte", async () => {
    const input = '{ "items": [{"card":"4111111111111111"}] }\n{"items":[]}\n';
    const { code, stdout, stderr } = await binge(["run", "--config", ORDERS, "--route", "orders"], input);
    expect(stdout).toBe('{ "items": [{"card":"************1111"}] }\n');
    expect(stderr).toBe("line 2: refused by has-items with 422\n");
    expect(code).toBe(1);
  });

  test.each([
    [["--pipeline", "nope"], /no pipeline is called "nope"/],
    [["--route", "nope"], /no route with a request section is called "nope"/],
    [["--route", "orders", "--pipeline", "mask"], /exclude each other/],
  ])("%j is a usage error", async (args, message) => {
    const { code, stderr } = await binge(["run", "--config", ORDERS, ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe("binge test", () => {
  const config = (tests: object[]) => ({
    pipelines: [{ name: "p", processes: [{ name: "a" }] }],
    processDefinitions: [{ annotator: { name: "a", annotations: [{ fieldKey: "x", value: "1" }] } }],
    http: { version: 1, routes: [{ name: "r", request: { pipelines: ["p"] } }] },
    tests,
  });

  test("shows where something came out otherwise, answers 1 and writes JUnit", async () => {
    const wrong = file(
      "wrong.json",
      config([
        { name: "equal", pipeline: "p", input: { a: [1, 2] }, expect: { output: { a: [1, 3], x: "1", y: 0 } } },
        { name: "right", pipeline: "p", input: {}, expect: { output: { x: "1" }, schema: { required: ["x"] } } },
        { name: "schema", pipeline: "p", input: {}, expect: { schema: { required: ["z"] } } },
      ]),
    );
    const { code, stdout } = await binge(["test", wrong, "--junit", "out.xml"]);
    expect(stdout).toContain("output.a[1]: expected 3, found 2");
    expect(stdout).toContain("output.y: expected 0, found nothing");
    expect(stdout).toContain("schema: required at /z");
    expect(stdout).toContain("1 passed, 2 failed");
    expect(code).toBe(1);
    const xml = readFileSync(join(folder, "out.xml"), "utf8");
    expect(xml).toContain('tests="3" failures="2"');
  });

  test("reads cases beside the file, and refuses cases it does not understand", async () => {
    const beside = file("beside.json", config([]));
    file("beside.tests.json", [{ name: "x", pipeline: "p", input: {}, expect: { outptu: {} } }]);
    const { code, stderr } = await binge(["test", beside]);
    expect(stderr).toContain('did you mean "output"?');
    expect(code).toBe(78);
  });

  test.each([
    [{ input: {} }, "E_ONE_OF  tests[0]: a case names either a pipeline or a route, or it has a request; found none"],
    [{ pipeline: "p", request: {} }, "found pipeline and request"],
    [{ request: {}, input: {} }, 'tests[0].input: "input" says nothing of an exchange: put it into request'],
    [{ pipeline: "p", response: {} }, 'tests[0].response: "response" is a part of an exchange'],
    [{ request: {}, expect: { output: {} } }, 'tests[0].expect.output: "output" says nothing of an exchange'],
    [{ pipeline: "p", expect: { upstream: null } }, 'tests[0].expect.upstream: "upstream" is said of exchanges only'],
    [
      { request: {}, expect: { upstream: { bdy: 1 } } },
      'tests[0].expect.upstream.bdy: no such field; did you mean "body"?',
    ],
    [{ request: {}, expect: { headers: { a: 1 } } }, "tests[0].expect.headers.a: expected a string or null"],
    [{ request: { path: 1 } }, "tests[0].request.path: expected a string, found 1"],
  ])("a case like %j is refused at its place", async (parts, message) => {
    const { code, stderr } = await binge(["test", file("none.json", config([{ name: "n", expect: {}, ...parts }]))]);
    expect(stderr).toContain(message);
    expect(code).toBe(78);
  });
});

describe("binge test with exchanges", () => {
  const config = (tests: object[]) => ({
    pipelines: [{ name: "p", processes: [{ name: "mirror" }, { name: "mark" }, { name: "no-bad" }] }],
    processDefinitions: [
      { tee: { name: "mirror", outputConnectorRef: "copies" } },
      { annotator: { name: "mark", annotations: [{ fieldKey: "x", value: "1" }] } },
      { filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad" }] } } } },
    ],
    externalSystems: [{ externalType: "ExternalObjectStore", name: "copies", connectionString: "mem:copies" }],
    http: {
      version: 1,
      routes: [{ name: "r", match: { paths: ["/r"] }, request: { pipelines: ["p"], setHeaders: { "x-seen": "ü" } } }],
    },
    tests,
  });

  test("shows where the client, the upstream, a verdict or a copy came out otherwise", async () => {
    const wrong = file(
      "exchanges.json",
      config([
        {
          name: "other",
          request: { path: "/r", body: { a: 1 } },
          response: { status: 201, headers: { "x-up": "1" }, body: [1] },
          expect: {
            status: 200,
            verdicts: { request: "passed", response: "passed" },
            headers: { "x-up": null, "x-down": "2", "content-type": "application/json" },
            body: [2],
            schema: { type: "object" },
            upstream: { method: "PUT", path: "/r", headers: { "x-seen": "ü" }, body: '{"a":1}', contains: { x: "1" } },
            tees: { copies: [] },
          },
        },
        { name: "nothing", request: { path: "/r", body: { bad: 1 } }, expect: { upstream: {}, rule: "other" } },
        { name: "reached", request: { path: "/elsewhere" }, expect: { upstream: null, verdicts: { request: "none" } } },
        { name: "untreated", request: { path: "/r", body: "{" }, expect: { status: 200 } },
      ]),
    );
    const { code, stdout, stderr } = await binge(["test", wrong]);
    expect(stderr).toBe("");
    expect(stdout).toBe(`FAIL ${wrong}: other
    verdict on the request: expected "passed", found "changed"
    verdict on the response: expected "passed", found "none"
    status: expected 200, found 201
    headers.x-up: expected not to be there, found "1"
    headers.x-down: expected "2", found nothing
    body[0]: expected 2, found 1
    schema: type at the whole event
    upstream.method: expected "PUT", found "POST"
    upstream.body: expected "{\\"a\\":1}", found "{\\"a\\":1,\\"x\\":\\"1\\"}"
    tees.copies: expected 0 copies, found 1
FAIL ${wrong}: nothing
    rule: expected "other", found "no-bad"
    upstream: nothing reached it
FAIL ${wrong}: reached
    upstream: expected nothing to reach it, and it was
FAIL ${wrong}: untreated
    status: expected 200, found 400 (unparsable: not valid JSON)
0 passed, 4 failed
`);
    expect(code).toBe(1);
  });

  test("--on takes envoy only", async () => {
    const { code, stderr } = await binge(["test", "--on", "nginx", ORDERS]);
    expect(stderr).toBe('binge test: --on is envoy, not "nginx"\n');
    expect(code).toBe(2);
  });
});

describe("binge lint", () => {
  test("--lenient makes unknown fields warnings", async () => {
    const stray = file("stray.json", { partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301", stray: 1 });
    expect((await binge(["lint", stray])).code).toBe(1);
    const lenient = await binge(["lint", "--lenient", stray]);
    expect(lenient.stdout).toContain("E_UNKNOWN_FIELD (warning)");
    expect(lenient.code).toBe(0);
  });

  test("--strict names the ways past a rule of a route that leaks, and answers 1", async () => {
    const { code, stdout } = await binge(["lint", "--strict", ORDERS]);
    expect(stdout).toMatch(
      /E_SLIP {2}processDefinitions\[2\]\.redactor\.rules\[0\]\.paths\[0\]: route orders: a list in place/,
    );
    expect(stdout).toMatch(/other methods than POST, PUT/);
    expect(code).toBe(1);
  });

  test("--original says what the Go program would refuse", async () => {
    expect((await binge(["lint", "--original", ORDERS])).stdout).toMatch(/E_ORIGINAL .*http/);
  });
});

test("binge schema and binge list print what there is", async () => {
  const schema = JSON.parse((await binge(["schema"])).stdout) as { properties: object };
  expect(Object.keys(schema.properties)).toContain("processDefinitions");
  const { stdout } = await binge(["list"]);
  for (const name of ["redactor", "aggregator", "spawner", "mem:", "not there yet"]) expect(stdout).toContain(name);
});
