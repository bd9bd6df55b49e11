import { expect, test } from "vitest";
import { complain, newReport } from "../core/diagnostic.ts";
import { readDocument } from "./document.ts";
import { jsonPath, placeOf, printDiagnostics, quote } from "./print.ts";

const TEXT = `{
  "processDefinitions": [
    { "filter": { "name": "f", "keepMatch": true } },
    { "annotator": {} }
  ]
}`;
const document = readDocument(TEXT, "pipelines.json");
const FILTER = ["processDefinitions", 0, "filter"];

test("one line each: place, code, path, message, remedy; then how many", () => {
  const report = newReport();
  complain(report, "E_UNKNOWN_FIELD", [...FILTER, "keepMatch"], "no such field", 'did you mean "keepMatched"?');
  expect(printDiagnostics(report.diagnostics, document)).toBe(
    'pipelines.json:3:32 E_UNKNOWN_FIELD  processDefinitions[0].filter.keepMatch: no such field; did you mean "keepMatched"?\n1 error',
  );
});

test("they stand in the order of the file, whatever their severity; a missing field at its object", () => {
  const report = newReport();
  complain(report, "E_MISSING_FIELD", ["processDefinitions", 1, "annotator", "name"], "b", "");
  complain(report, "W_UNUSED", FILTER, "a", "");
  complain(report, "E_VALUE", [], "root", "");
  expect(printDiagnostics(report.diagnostics, document).split("\n")).toEqual([
    "pipelines.json:1:1 E_VALUE  root",
    "pipelines.json:3:17 W_UNUSED  processDefinitions[0].filter: a",
    "pipelines.json:4:20 E_MISSING_FIELD  processDefinitions[1].annotator.name: b",
    "2 errors, 1 warning",
  ]);
});

test("a warning under an error's code says that it is one", () => {
  const report = newReport();
  complain(report, "E_UNKNOWN_FIELD", [...FILTER, "keepMatch"], "no such field", "");
  for (const diagnostic of report.diagnostics) diagnostic.severity = "warning";
  const printed = printDiagnostics(report.diagnostics, document);
  expect(printed).toContain("3:32 E_UNKNOWN_FIELD (warning)  processDefinitions");
  expect(printed).toMatch(/\n1 warning$/);
});

test("nothing wrong prints nothing", () => {
  expect(printDiagnostics([], document)).toBe("");
});

test("colour marks place and code and changes no text", () => {
  const report = newReport();
  complain(report, "E_VALUE", FILTER, "a", "b");
  complain(report, "W_UNUSED", FILTER, "a", "b");
  const colored = printDiagnostics(report.diagnostics, document, { color: true });
  expect(colored).toContain("\u001b[31mE_VALUE\u001b[0m");
  expect(colored).toContain("\u001b[33mW_UNUSED\u001b[0m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes are what is taken away
  expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(printDiagnostics(report.diagnostics, document));
});

test("a syntax error is printed at its own place", () => {
  const broken = readDocument('{\n  "a": 1,\n}', "x.json");
  expect(placeOf(broken.diagnostics[0] ?? expect.fail(), broken)).toEqual({ line: 2, column: 9, length: 1 });
  expect(printDiagnostics(broken.diagnostics, broken)).toBe(
    'x.json:2:9 E_SYNTAX  expected another field after the comma, found "}"; take the comma away\n1 error',
  );
});

test.each([
  [[], ""],
  [["processDefinitions", 2, "filter", "regex"], "processDefinitions[2].filter.regex"],
  [[0, 1], "[0][1]"],
  [["headers", "x.y", "a"], 'headers["x.y"].a'],
  [["$schema"], "$schema"],
  [["a", ""], 'a[""]'],
  [["x-env"], "x-env"],
  [["a\nb"], '["a\\nb"]'],
])("the path %j is written %j", (path, expected) => {
  expect(jsonPath(path)).toBe(expected);
});

test.each([
  ["a", '"a"'],
  ['a"b\\', '"a\\"b\\\\"'],
  ["\u001b[31m\u0007", '"\\u001b[31m\\u0007"'],
  ["\u009b\u202e\u00a0\ufeff", '"\\u009b\\u202e\\u00a0\\ufeff"'],
  ["\u{e0001}", '"\\u{e0001}"'],
  ["ä😀", '"ä😀"'],
  ["x".repeat(78), `"${"x".repeat(78)}"`],
  ["x".repeat(79), `"${"x".repeat(77)}…"`],
])("%j is quoted as %s", (text, expected) => {
  expect(quote(text)).toBe(expected);
});

test.each(["\n".repeat(100), "😀".repeat(1000), "\u202e".repeat(50)])(
  "a quote is no longer than 80 characters",
  (text) => {
    expect(quote(text).length).toBeLessThanOrEqual(80);
    expect(quote(text)).toMatch(/^".*…"$/);
  },
);

test("nothing that a file says reaches the terminal as a command", () => {
  const report = newReport();
  complain(report, "E_REFERENCE", ["a\u001b[2J"], 'no process is called "\u001b[2J"', "\u009bx\nnext line");
  const printed = printDiagnostics(report.diagnostics, readDocument("{}", "\u001b.json"));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(printed).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(printed.split("\n")).toHaveLength(2);
});
