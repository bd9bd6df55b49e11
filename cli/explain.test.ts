import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const BINGE = fileURLToPath(new URL("./binge.ts", import.meta.url));
const ORDERS = fileURLToPath(new URL("../examples/orders/orders.json", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "agglo-explain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: object | string): string {
  writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  return join(folder, name);
}

function explain(config: string, exchange: object | string) {
  const args = ["explain", "--config", config, "--request", file("exchange.json", exchange)];
  const { status, stdout, stderr } = spawnSync(process.execPath, [BINGE, ...args], { cwd: folder, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("an exchange is told step by step", () => {
  const exchange = {
    request: { path: "/orders", body: '{"total": 250.00, "items": [{"card": "4111111111111111"}]}' },
    response: { headers: { etag: '"1"' }, body: { headers: { authorization: "Bearer s3cr3t" } } },
  };
  const { code, stdout, stderr } = explain(ORDERS, exchange);
  expect(stderr).toBe("");
  expect(stdout).toBe(`POST /orders on localhost, 58 bytes of application/json

route
  orders: matches

the proxy, for route orders
  sends of requests: headers, the whole body (BUFFERED)
  sends of responses: headers, the whole body (BUFFERED)
  holds bodies of at most 2162688 bytes
  without agglo: refuses the traffic

request
  pipeline check
    filter has-items: goes on, the event as it was
  pipeline prepare
    annotator mark-large: changes the event
      before {"total": 250.00, "items": [{"card": "4111111111111111"}]}
      after  {"total": 250.00, "items": [{"card": "4111111111111111"}],"priority":"high"}
    redactor cover-cards: changes the event
      before {"total": 250.00, "items": [{"card": "4111111111111111"}],"priority":"high"}
      after  {"total": 250.00, "items": [{"card": "************1111"}],"priority":"high"}
  pipeline mirror
    tee to-memory: goes on, the event as it was
      copy to recent: {"total": 250.00, "items": [{"card": "************1111"}],"priority":"high"}
    continuation large-only: goes on, the event as it was
    tee to-folder: goes on, the event as it was
      copy to archive: {"total": 250.00, "items": [{"card": "************1111"}],"priority":"high","mirroredBy":"agglo"}
  verdict: changed
  the proxy is told, for the request's headers: remove accept-encoding, range, if-range
  the proxy is told, for the request's body: another body, 76 bytes; set x-agglo: seen, content-length: 76

the upstream gets
  content-type: application/json
  x-agglo: seen
  content-length: 76
  {"total": 250.00, "items": [{"card": "************1111"}],"priority":"high"}

response
  pipeline mask
    redactor cover-tokens: changes the event
      before {"headers":{"authorization":"Bearer s3cr3t"}}
      after  {"headers":{"authorization":"Bearer ******"}}
  verdict: changed
  the proxy is told, for the response's headers: go on
  the proxy is told, for the response's body: another body, 45 bytes; set content-length: 45; remove etag

the client gets 200
  content-type: application/json
  content-length: 45
  {"headers":{"authorization":"Bearer ******"}}
`);
  expect(code).toBe(0);
});

test("a refusal is told with the rule, and that nothing reaches the upstream", () => {
  const { stdout } = explain(ORDERS, { request: { method: "PUT", path: "/orders/7?x=1", body: { items: [] } } });
  expect(stdout).toContain(`request
  pipeline check
    filter has-items: refuses
  verdict: refused by has-items, answered 422
  the proxy is told, for the request's headers: remove accept-encoding, range, if-range
  the proxy is told: reply 422 itself, details agglo_refused{has-items}

the upstream gets nothing

the client gets 422
`);
  expect(stdout).not.toContain("\nresponse\n");
});

test("of a stream of events each is told, and where it is cut off", () => {
  const config = {
    pipelines: [{ name: "p", processes: [{ name: "no-bad" }] }],
    processDefinitions: [
      { filter: { name: "no-bad", condition: { exists: { ops: [{ key: "bad", op: "Exists" }] } } } },
    ],
    http: {
      version: 1,
      routes: [{ name: "r", response: { pipelines: ["p"], contentTypes: ["application/x-ndjson"], batch: "all" } }],
    },
  };
  const response = { headers: { "content-type": "application/x-ndjson" }, body: '{"n":1}\n{"bad":1}\n{"n":3}\n' };
  const { code, stdout } = explain(file("lines.json", config), { request: {}, response });
  expect(stdout).toContain(`  sends of requests: nothing
  sends of responses: headers, the body as it comes (FULL_DUPLEX_STREAMED)
  without agglo: refuses the traffic
`);
  expect(stdout).toContain(`response
  event 1, pipeline p
    filter no-bad: goes on, the event as it was
  event 2, pipeline p
    filter no-bad: refuses
  verdict: refused by no-bad, answered 403
  the proxy is told, for the response's headers: remove content-length
  the proxy is told: reply 403 itself, details agglo_refused{no-bad}

the client gets 200
  content-type: application/x-ndjson
  no body
  cut off here: it was refused when its headers had gone
`);
  expect(code).toBe(0);
});

test("a path that the proxy itself refuses is told", () => {
  const { stdout } = explain(ORDERS, { request: { path: "/orders%2f7" } });
  expect(stdout).toBe(`GET /orders%2f7 on localhost, no body

route
  not asked: the proxy refuses a path with an escaped slash, or with dots before a semicolon

the upstream gets nothing

the client gets 400
  content-length: 0
  no body
`);
});

test("a fault of the message is told with its reason", () => {
  const { stdout } = explain(ORDERS, {
    request: { path: "/orders", headers: { "content-type": "text/plain" }, body: "x" },
  });
  expect(stdout).toContain("verdict: faulted, contentType: the content type is none of the section's, answered 415\n");
});

describe("of several routes", () => {
  const config = {
    pipelines: [{ name: "p", processes: [{ name: "no-bad" }, { name: "risk" }] }],
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
    http: {
      version: 1,
      routes: [
        { name: "gets", match: { methods: ["GET"] }, request: { pipelines: ["p"] } },
        { name: "shop", match: { hosts: ["*.shop.example"] }, request: { pipelines: ["p"] } },
        { name: "admin", match: { paths: ["/admin/**", "/ops"] }, request: { pipelines: ["p"] } },
        { name: "acme", match: { headers: { "x-tenant": "acme", "x-env": "test" } }, request: { pipelines: ["p"] } },
        { name: "dry", enforce: false, match: { methods: ["PUT"] }, request: { pipelines: ["p"] } },
        { name: "last", match: { paths: ["/**"], methods: ["PUT"] }, request: { pipelines: ["p"] } },
      ],
    },
  };

  test("it is said why others do not match, and which were not asked; a dry run says what would be", () => {
    const request = {
      method: "PUT",
      path: "/x",
      headers: { Host: "Example:80", "x-env": "prod" },
      body: [{ n: 7 }, { bad: 1 }],
    };
    const { stdout } = explain(file("routes.json", config), { request });
    expect(stdout).toContain(`route
  gets: no, the method PUT is none of GET
  shop: no, the host example is none of *.shop.example
  admin: no, the path /x is none of /admin/**, /ops
  acme: no, the header x-tenant is not there, not "acme", the header x-env is "prod", not "test"
  dry: matches
  last: not asked, dry stands before it
`);
    expect(stdout).toContain(`  waits for no answer: nothing here changes or refuses
  a dry run: what the processes decide is counted and not done
  without agglo: lets the traffic pass

request
  event 1, pipeline p
    filter no-bad: goes on, the event as it was
    transformer risk: goes on, the event as it was
      internal:risk = 7
  event 2, pipeline p
    filter no-bad: refuses
  verdict: passed (dry run, else refused by no-bad, answered 403)

the upstream gets
`);
  });

  test("none may match, and then nothing is asked of us", () => {
    const { stdout } = explain(file("routes.json", config), { request: { method: "PATCH", path: "/x" } });
    expect(stdout).toContain("  none: nothing of this exchange reaches agglo\n\nthe upstream gets\n");
    expect(stdout).not.toContain("the proxy");
  });
});

test("a file without http is observed, and says what its pipelines would make of the body", () => {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [
      { name: "a", processes: [{ name: "mark" }] },
      { name: "b", processes: [{ name: "mark" }] },
    ],
    processDefinitions: [{ annotator: { name: "mark", annotations: [{ fieldKey: "m", value: "x" }] } }],
  };
  const { stdout } = explain(file("original.json", config), { request: { path: "/", body: { a: 1 } } });
  expect(stdout).toContain(`request
  pipeline a
    annotator mark: changes the event
      before {"a":1}
      after  {"a":1,"m":"x"}
  pipeline b
    annotator mark: changes the event
      before {"a":1}
      after  {"a":1,"m":"x"}
  verdict: passed (dry run)
`);
});

describe("what is wrong is said in a sentence, with its place", () => {
  const cases: [string, object | string, number, RegExp][] = [
    ["no JSON", "{", 78, /exchange\.json:1:\d+ E_SYNTAX/],
    [
      "no request",
      { response: {} },
      78,
      /E_MISSING_FIELD {2}request: expected an object, found nothing; add "request"/,
    ],
    [
      "a misspelt field",
      { request: { paht: "/" } },
      78,
      /:1:\d+ E_UNKNOWN_FIELD {2}request\.paht: .*did you mean "path"\?/,
    ],
    [
      "a status that is none",
      { request: {}, response: { status: 99 } },
      78,
      /E_VALUE {2}response\.status: expected a whole/,
    ],
  ];
  test.each(cases)("%s", (_title, exchange, code, message) => {
    const ended = explain(ORDERS, exchange);
    expect(ended.stderr).toMatch(message);
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(code);
  });

  test("no file", () => {
    const args = [BINGE, "explain", "--config", ORDERS, "--request", join(folder, "none.json")];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(stderr).toMatch(/^binge explain: --request .*none\.json: there is no such file\n$/);
    expect(status).toBe(2);
  });
});
