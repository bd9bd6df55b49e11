import { describe, expect, test } from "vitest";
import type { Fields } from "../core/definition.ts";
import type { JsonObject } from "../core/event/json.ts";
import { loadConfig } from "./load.ts";

const PARTITION = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

const optionFields: Fields = {
  timeoutMs: { kind: "integer", min: 1, doc: "" },
  password: { kind: "secret", doc: "" },
};

function load(system: JsonObject) {
  const external = { externalType: "ExternalPubSub", name: "out", connectionString: "q:", ...system };
  return loadConfig(JSON.stringify({ partitionUuid: PARTITION, externalSystems: [external] }), {
    file: "t.json",
    regexps: { compile: () => ({ test: () => false, replaceAll: (text) => text }) },
    systemForm: (_type, connectionString) =>
      connectionString === "bare:"
        ? { outputType: "", connectionString }
        : { outputType: "", connectionString, optionFields },
  });
}

describe("a system's options", () => {
  test("come in the one form that its own fields describe", () => {
    const loaded = load({ options: { timeoutMs: "50", password: "${env:PW}" } });
    expect(loaded.systems).toEqual([
      {
        type: "ExternalPubSub",
        name: "out",
        connectionString: "q:",
        options: { timeoutMs: 50, password: "${env:PW}" },
      },
    ]);
    expect(loaded.plan).toBeDefined();
  });

  test("may be left out", () => {
    expect(load({}).systems[0]?.options).toEqual({});
  });

  test.each<[JsonObject, string, string[]]>([
    [{ timeoutMs: 0 }, "E_VALUE", ["timeoutMs"]],
    [{ timeOutMs: 1 }, "E_UNKNOWN_FIELD", ["timeOutMs"]],
    [{ password: "hunter2" }, "E_SECRET", ["password"]],
  ])("that are wrong are complained of in their place: %j", (options, code, path) => {
    const loaded = load({ options });
    expect(loaded.plan).toBeUndefined();
    expect(loaded.diagnostics).toMatchObject([{ code, path: ["externalSystems", 0, "options", ...path] }]);
    expect(JSON.stringify(loaded.diagnostics)).not.toContain("hunter2");
  });

  test("of a system that has none are unknown", () => {
    const loaded = load({ connectionString: "bare:", options: { timeoutMs: 1 } });
    expect(loaded.diagnostics).toMatchObject([{ code: "E_UNKNOWN_FIELD" }]);
  });
});
