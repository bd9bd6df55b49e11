import { describe, expect, test } from "vitest";
import { loadText } from "./configuration.ts";
import { StartError, startRuntime } from "./runtime.ts";

const SPAWNER = { spawner: { name: "score", doSync: true, job: { runnable: { pathToExec: "cat" } } } };
const SHAPE = {
  transformer: {
    name: "shape",
    specs: [
      {
        sourceField: "a",
        targetField: "b",
        transformation: { transformationType: "TransformMap", mapArgs: { path: "cat" } },
      },
    ],
  },
};
const TEE = { tee: { name: "mirror", outputConnectorRef: "archive", transformerRef: "shape" } };

async function start(definitions: object[], bound: string[], allowSpawn: boolean): Promise<string> {
  const config = {
    processDefinitions: definitions,
    pipelines: definitions.map((definition) => {
      const name = (Object.values(definition)[0] as { name: string }).name;
      return { name, processes: [{ name }] };
    }),
    externalSystems: [{ externalType: "ExternalKVStore", name: "archive", connectionString: "mem:x" }],
    http: { version: 1, routes: [{ name: "r", request: { pipelines: bound } }] },
  };
  const loaded = loadText(JSON.stringify(config), "t.json");
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  try {
    const runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => undefined, allowSpawn });
    await runtime.close(1000);
    return "started";
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return `${error.configuration ? "configuration" : "system"}: ${error.message}`;
  }
}

describe("a proxy", () => {
  const SPAWNING: [string, object[], string, string][] = [
    ["a spawner", [SPAWNER], "score", "score"],
    ["a transformer with a command", [SHAPE], "shape", "shape"],
    ["a tee whose transformer has one", [SHAPE, TEE], "mirror", "shape"],
  ];
  test.each(SPAWNING)(
    "does not start with %s in a route until it is allowed to run commands",
    async (_title, definitions, bound, named) => {
      expect(await start(definitions, [bound], false)).toBe(
        `configuration: "${named}" would run commands for what clients send: allow it with --allow-spawn`,
      );
      expect(await start(definitions, [bound], true)).toBe("started");
    },
  );

  test("starts with a spawner that no route uses", async () => {
    expect(await start([SPAWNER, { annotator: { name: "a" } }], ["a"], false)).toBe("started");
  });
});
