import fc from "fast-check";
import { expect, test } from "vitest";
import { processes } from "../core/processes/registry.ts";
import { nearest, suggest } from "./suggest.ts";

const ROOT_NAMES = ["partitionUuid", "pipelines", "processDefinitions", "externalSystems", "http"];
const PROCESS_NAMES = processes.map((process) => process.definition.key);
const OPERATORS = ["GreaterThan", "LessThan", "GreaterThanOrEqual", "LessThanOrEqual", "Equal", "NotEqual"];

test.each([
  ["Annotator", PROCESS_NAMES, "annotator"],
  ["anotator", PROCESS_NAMES, "annotator"],
  ["filtre", PROCESS_NAMES, "filter"],
  ["process_definitions", ROOT_NAMES, "processDefinitions"],
  ["process-definition", ROOT_NAMES, "processDefinitions"],
  ["partitionUUID", ROOT_NAMES, "partitionUuid"],
  ["keepMatch", ["regex", "keepMatched"], "keepMatched"],
  ["regexp", ["regex", "keepMatched"], "regex"],
  ["equal", OPERATORS, "Equal"],
  ["Greater", OPERATORS, undefined], // two it is a part of
  ["Sum", ["TransformSum", "TransformCopy"], "TransformSum"],
  ["connector", ["transformerRef", "outputConnectorRef"], "outputConnectorRef"],
  ["lsh", ["lhs", "rhs", "op"], "lhs"],
  ["po", ["lhs", "rhs", "op"], "op"],
  ["a", ["b"], undefined],
  ["", ["a"], undefined],
  ["_", ["-"], undefined],
  ["banana", ROOT_NAMES, undefined],
])("of %j among %j the nearest is %j", (name, candidates, expected) => {
  expect(nearest(name, candidates)).toBe(expected);
});

test("a suggestion is a question, and nothing when no name is near", () => {
  expect(suggest("Filter", PROCESS_NAMES)).toBe('did you mean "filter"?');
  expect(suggest("banana", ROOT_NAMES)).toBe("");
});

test("of equally near names the first wins, on every run", () => {
  expect(nearest("bat", ["cat", "rat"])).toBe("cat");
  expect(nearest("bat", ["rat", "cat"])).toBe("rat");
});

test("a very long name is compared for equality only and takes no time", () => {
  const long = "x".repeat(1_000_000);
  expect(nearest(long, ["x".repeat(999_999)])).toBeUndefined();
  expect(nearest(long.toUpperCase(), [long])).toBe(long);
});

type Slip = (name: string, at: number) => string;
const SLIPS: readonly Slip[] = [
  (name, at) => name.slice(0, at) + name.slice(at + 1),
  (name, at) => `${name.slice(0, at)}q${name.slice(at)}`,
  (name, at) => `${name.slice(0, at)}q${name.slice(at + 1)}`,
  (name, at) => name.slice(0, at) + name.charAt(at + 1) + name.charAt(at) + name.slice(at + 2),
];

test("one slip of the hand in a name always finds it", () => {
  const names = [...ROOT_NAMES, ...PROCESS_NAMES, "keepMatched", "regex", "outputConnectorRef", "transformerRef"];
  const planted = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.constantFrom(...SLIPS));
  fc.assert(
    fc.property(planted, ([name, seed, slip]) => {
      expect(nearest(slip(name, seed % name.length), names)).toBe(name);
    }),
  );
});
