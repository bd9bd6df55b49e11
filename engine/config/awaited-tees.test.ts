import { describe, expect, test } from "vitest";
import { testRegexps, testSchemas } from "../core/testing.ts";
import { awaitedTees } from "./awaited-tees.ts";
import { loadConfig } from "./load.ts";

const systemForm = (_type: string, connectionString: string) => ({ outputType: "web", connectionString });

function load(
  teeFields: object,
  definitions: { [key: string]: { name: string } }[],
  request: object = {},
  route: object = {},
) {
  const names = definitions.map((definition) => ({ name: Object.values(definition)[0]?.name }));
  const config = {
    pipelines: [
      { name: "first", processes: [{ name: "before" }, { name: "t" }] },
      { name: "second", processes: names },
    ],
    processDefinitions: [
      { annotator: { name: "before", annotations: [{ fieldKey: "a", value: "b", condition: EXISTS }] } },
      { tee: { name: "t", outputConnectorRef: "hook", ...teeFields } },
      ...definitions,
    ],
    externalSystems: [{ externalType: "ExternalHttp", name: "hook", connectionString: "http://x/" }],
    http: { version: 1, routes: [{ name: "r", request: { pipelines: ["first", "second"], ...request }, ...route }] },
  };
  const file = JSON.stringify(config, null, 2);
  return loadConfig(file, { file: "test.json", regexps: testRegexps, schemas: testSchemas, systemForm });
}

const EXISTS = { exists: { ops: [{ key: "internal:tee:output.0.response.ok", op: "Exists" }] } };
const CEL = 'internal["tee:output"][0].response.ok';

describe("a tee of a route is waited for", () => {
  const readers: [string, object, { [key: string]: { name: string } }[], object, string | undefined][] = [
    ["where nothing reads its result: no", {}, [], {}, undefined],
    [
      "where an annotation's condition of a later pipeline reads it",
      {},
      [{ annotator: { name: "later", annotations: [{ fieldKey: "a", value: "b", condition: EXISTS }] } as never }],
      {},
      '"later"',
    ],
    ["where a CEL condition reads it", {}, [{ continuation: { name: "go", condition: CEL } as never }], {}, '"go"'],
    ["where a continuation reads it", {}, [{ continuation: { name: "go", condition: EXISTS } as never }], {}, '"go"'],
    [
      "where a transformer copies it",
      {},
      [
        {
          transformer: {
            name: "copy",
            forwardInputFields: true,
            specs: [
              {
                sourceField: "internal:tee:output.0.response.risk",
                targetField: "risk",
                transformation: { transformationType: "TransformCopy" },
              },
            ],
          } as never,
        },
      ],
      {},
      '"copy"',
    ],
    [
      "where a later tee takes it along",
      {},
      [{ tee: { name: "u", outputConnectorRef: "hook", include: ["internal:tee:output"] } as never }],
      {},
      '"u"',
    ],
    [
      "where a header is written from it",
      {},
      [],
      { setHeaders: { "x-risk": "{internal:tee:output.0.response.risk}" } },
      "the header x-risk",
    ],
    [
      "where only another reserved key is read: no",
      {},
      [{ continuation: { name: "go", condition: 'http.method == "GET"' } as never }],
      {},
      undefined,
    ],
  ];
  test.each(readers)("%s", (_title, fields, definitions, request, reader) => {
    const { plan, diagnostics } = load(fields, definitions, request);
    expect(diagnostics).toEqual([]);
    const section = plan?.routes?.[0]?.request;
    if (plan === undefined || section === undefined) throw new Error("no section");
    expect(awaitedTees(plan, section)).toEqual(reader === undefined ? [] : [{ tee: "t", reader }]);
    expect(plan.steps[1]?.waits).toBe(reader === undefined ? "may" : "always");
  });

  test("in what runs when an exchange is over, too", () => {
    const loaded = load(
      {},
      [{ continuation: { name: "go", condition: EXISTS } as never }],
      { pipelines: ["first"] },
      {
        exchange: { pipelines: ["first", "second"] },
      },
    );
    expect(loaded.diagnostics).toEqual([]);
    expect(loaded.plan?.steps[1]?.waits).toBe("always");
  });

  test("but not for a reader that gets the event as it came", () => {
    const { plan } = load({}, [{ continuation: { name: "go", condition: EXISTS } as never }]);
    const section = plan?.routes?.[0]?.request;
    if (plan === undefined || section === undefined) throw new Error("no section");
    expect(awaitedTees(plan, section)).toHaveLength(1);
    expect(awaitedTees(plan, { ...section, separate: true })).toEqual([]);
  });

  test("and one that gathers its copies cannot be", () => {
    const { diagnostics } = load({ batch: {} }, [{ continuation: { name: "go", condition: EXISTS } as never }]);
    expect(diagnostics).toMatchObject([
      {
        code: "E_VALUE",
        path: ["processDefinitions", 1, "tee", "batch"],
        message: '"go" reads the result of "t", and copies in a batch have none of their own',
        remedy: "take batch out, or do not read internal:tee:output behind it",
      },
    ]);
  });
});
