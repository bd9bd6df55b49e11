import fc from "fast-check";
import { expect, test } from "vitest";
import { readDocument } from "./document.ts";

function complaints(text: string): string[] {
  return readDocument(text, "x.json").diagnostics.map((diagnostic) => {
    const { line, column } = diagnostic.place;
    return `${line}:${column} ${diagnostic.message}${diagnostic.remedy === "" ? "" : `; ${diagnostic.remedy}`}`;
  });
}

const SYNTAX: readonly [string, string, string[]][] = [
  ["an empty file", "", ["1:1 expected a JSON object, found an empty file"]],
  ["blank lines", "\n \n", ["1:1 expected a JSON object, found an empty file"]],
  ["a trailing comma", '{"a": 1,\n}', ['1:8 expected another field after the comma, found "}"; take the comma away']],
  ["one in an array", "[1, ]", ['1:3 expected another value after the comma, found "]"; take the comma away']],
  ["a missing comma", '{"a": 1\n"b": 2}', ['2:1 expected "," or "}", found a string']],
  ["one in an array", "[1 2]", ['1:4 expected "," or "]", found "2"']],
  ["a missing colon", '{"a" 1}', ['1:6 expected ":" after the field name "a", found "1"']],
  ["a missing value", '{"a": }', ['1:7 expected a value, found "}"']],
  ["two commas", "[1,,2]", ['1:4 expected a value, found ","']],
  [
    "a comment",
    '{\n// x\n"a": 1 /* y */}',
    ["2:1 expected JSON, found a comment; JSON has no comments: take them out"],
  ],
  ["a bare key", "{a: 1}", ["1:2 expected a field name in double quotes, found a"]],
  ["a key in single quotes", "{'a b': 1}", ["1:2 expected a field name in double quotes, found 'a"]],
  ["Python's True", '{"a": True}', ['1:7 expected a value, found "True"; write true']],
  ["None", "[None]", ['1:2 expected a value, found "None"; write null']],
  ["NaN", "[NaN]", ['1:2 expected a value, found "NaN"; JSON has no such number']],
  [
    "text without quotes",
    '{"key": hunter2}',
    ["1:9 expected a value, found text without double quotes; a string stands in double quotes"],
  ],
  ["a leading zero", '{"a": 01}', ['1:7 expected a number, found "01"']],
  ["a number with an underscore", "[1_000]", ['1:2 expected a number, found "1_000"']],
  ["no digits behind the point", "[1.]", ['1:2 expected a number, found "1."']],
  ["a number no double holds", "[1e999]", ['1:2 expected a number that a double can hold, found "1e999"']],
  ["an unclosed string", '{"a": "x,\n"b": 1}', ['1:7 expected a closing ", found the end of the line']],
  ["an unclosed key", '{"a: 1,\n"b": 1}', ['1:2 expected a closing ", found the end of the line']],
  ["a string over two lines", '{"a": "x\ny",\n"b": 1}', ['1:7 expected a closing ", found the end of the line']],
  ["an unclosed string at the end", '{"a": "x', ['1:7 expected a closing ", found the end of the line']],
  [
    "a pattern's escape",
    '{"regex": "^\\d+$"}',
    ["1:13 expected an escape of JSON, found \\d; a backslash itself is written \\\\"],
  ],
  [
    "half a unicode escape",
    '["\\\\\\u12"]',
    ["1:5 expected an escape of JSON, found \\u; a backslash itself is written \\\\"],
  ],
  ["a tab in a string", '["a\tb"]', ["1:4 expected no control character in a string, found one; write \\t"]],
  [
    "the wrong bracket",
    '{"a": [1, 2}',
    ['1:12 expected "," or "]", found "}"; the array opened in line 1 is not closed'],
  ],
  [
    "a missing end",
    '{"a": {\n"b": 1\n\n',
    ['2:7 expected "," or "}", found the end of the file; the object opened in line 1 is not closed'],
  ],
  [
    "garbage behind",
    '{"a": 1} garbage',
    ["1:10 expected the end of the file, found text without double quotes; one JSON value is all a file may hold"],
  ],
  ["a second value", "{}\n{}", ['2:1 expected the end of the file, found "{"; one JSON value is all a file may hold']],
  [
    "a byte order mark",
    "\ufeff{}",
    ["1:1 expected JSON, found a byte order mark (U+FEFF); save the file as UTF-8 without BOM"],
  ],
  [
    "a no-break space",
    "[\u00a01]",
    ["1:2 expected a value, found text without double quotes; a string stands in double quotes"],
  ],
  [
    "characters, not UTF-16 units, counted",
    '["😀", x]',
    ["1:7 expected a value, found text without double quotes; a string stands in double quotes"],
  ],
  [
    "two mistakes of their own",
    '{"a": 1,, "b": tru,\n"c" 2}',
    [
      '1:9 expected a field name in double quotes, found ","',
      "1:16 expected a value, found text without double quotes; a string stands in double quotes",
      '2:5 expected ":" after the field name "c", found "2"',
    ],
  ],
];

test.each(SYNTAX)("%s is one complaint per mistake, with its place", (_name, text, expected) => {
  expect(complaints(text)).toEqual(expected);
  expect(readDocument(text, "x.json").value).toBeUndefined();
});

test("after five syntax errors it stops", () => {
  expect(complaints(`[${"x,\n".repeat(20)}1]`)).toHaveLength(5);
});

test("a syntax error says where in the document it is", () => {
  const [error] = readDocument('{"a": [1, {"b": x}]}', "x.json").diagnostics;
  expect(error).toMatchObject({ code: "E_SYNTAX", severity: "error", path: ["a", 1, "b"] });
});

test("no message repeats what a string says: it may be a secret", () => {
  for (const text of [
    '{"key" "hunter2"}',
    '{"key": "hunter2',
    "{\"key\": 'hunter2'}",
    '["x" "hunter2"]',
    '{"key": "hunter2\\q"}',
    '{"key": hunter2}',
  ]) {
    expect(complaints(text)).not.toEqual([]);
    expect(complaints(text).join()).not.toContain("hunter2");
  }
});

test("a key that stands twice is an error, wherever it is, and the last value is kept", () => {
  const document = readDocument('{\n "a": {"b": 1,\n  "b": 2},\n "\\u0061": 3}', "x.json");
  expect(document.diagnostics).toMatchObject([
    { code: "E_DUPLICATE_KEY", path: ["a", "b"], atKey: true, place: { line: 3, column: 3, length: 3 } },
    { code: "E_DUPLICATE_KEY", path: ["a"], place: { line: 4, column: 2, length: 8 } },
  ]);
  expect(document.diagnostics[0]?.message).toBe('expected each key once, found "b" again (first in line 2)');
  expect(document.value).toEqual({ a: 3 });
});

test("__proto__ is a key like any other, and twice is twice", () => {
  const document = readDocument('{"__proto__": {"polluted": true}, "constructor": 1}', "x.json");
  expect(document.diagnostics).toEqual([]);
  expect(Object.keys(document.value ?? {})).toEqual(["__proto__", "constructor"]);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(document.locate(["__proto__", "polluted"], false)).toEqual({ line: 1, column: 28, length: 4 });
  expect(readDocument('{"__proto__": 1, "__proto__": 2}', "x.json").diagnostics).toHaveLength(1);
});

test("200 levels are read, one more is refused, and a million do not hurt", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  expect(complaints(nested(200))).toEqual([]);
  expect(complaints(nested(201))).toEqual(["1:201 expected at most 200 levels of nesting, found more"]);
  expect(complaints("[".repeat(1_000_000))).toHaveLength(1);
  expect(complaints('{"a":'.repeat(100_000))).toHaveLength(1);
  expect(complaints("[},".repeat(100_000))).toHaveLength(1);
  expect(complaints(`"\n${"[".repeat(100_000)}`)).toHaveLength(1);
});

const LOCATED = '{\r\n  "a": [1, "zwei", {"b": null}],\r  "😀": true}';
test.each([
  [[], false, { line: 1, column: 1, length: 1 }],
  [["a"], false, { line: 2, column: 8, length: 1 }],
  [["a"], true, { line: 2, column: 3, length: 3 }],
  [["a", 1], false, { line: 2, column: 12, length: 6 }],
  [["a", 1], true, { line: 2, column: 12, length: 6 }],
  [["a", 2, "b"], true, { line: 2, column: 21, length: 3 }],
  [["a", 2, "missing"], false, { line: 2, column: 20, length: 1 }],
  [["a", 2, "missing"], true, { line: 2, column: 20, length: 1 }],
  [["a", 7, "x"], false, { line: 2, column: 8, length: 1 }],
  [["a", 0, "x", 3], false, { line: 2, column: 9, length: 1 }],
  [["missing", "too"], true, { line: 1, column: 1, length: 1 }],
  [["😀"], false, { line: 3, column: 8, length: 4 }],
])("%j (key: %j) is at %j", (path, atKey, place) => {
  expect(readDocument(LOCATED, "x.json").locate(path, atKey)).toEqual(place);
});

test("what JSON.parse takes is taken with the same value, anything else is refused, and nothing throws", () => {
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"b"',
    '"',
    "\n",
    "\\",
    "1",
    "-",
    "01",
    "1e5",
    ".",
    "true",
    "null",
    "x",
    "//",
    "/*",
    "*/",
    "'",
    "\ufeff",
    " ",
    "\t",
    "\u0001",
    "\\u00e4",
    "😀",
  ];
  const text = fc.oneof(
    fc.json(),
    fc.array(fc.constantFrom(...pieces)).map((parts) => parts.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const document = readDocument(candidate, "x.json");
      const isRefused = document.diagnostics.some((diagnostic) => diagnostic.code === "E_SYNTAX");
      expect(isRefused).toBe(!isJson(candidate));
      if (!isRefused) expect(JSON.stringify(document.value)).toBe(JSON.stringify(JSON.parse(candidate)));
      for (const { place } of document.diagnostics) expectInside(candidate, place);
    }),
    { numRuns: 3000 },
  );
});

test("every place is inside the text", () => {
  const step = fc.oneof(fc.nat(3), fc.constantFrom("a", "b", "__proto__", ""));
  fc.assert(
    fc.property(fc.json(), fc.array(step), fc.boolean(), (text, path, atKey) => {
      expectInside(text, readDocument(text, "x.json").locate(path, atKey));
    }),
  );
});

test("each value of a document is found at its own text", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value, null, 2);
      const document = readDocument(text, "x.json");
      for (const path of paths(value)) {
        const place = document.locate(path, false);
        const line = Array.from(text.split("\n")[place.line - 1] ?? "");
        const found = line.slice(place.column - 1, place.column - 1 + place.length).join("");
        const target = path.reduce<unknown>((at, key) => (at as { [key: string]: unknown })[key], value);
        expect(JSON.stringify(target).startsWith(found)).toBe(true);
      }
    }),
  );
});

// A number too large for a double is refused here, where JSON.parse makes it infinite.
function isJson(text: string): boolean {
  try {
    let fits = true;
    JSON.parse(text, (_key, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) fits = false;
      return value;
    });
    return fits;
  } catch {
    return false;
  }
}

function expectInside(text: string, place: { line: number; column: number; length: number }): void {
  const lines = text.split(/\r\n|\r|\n/);
  expect(place.line).toBeGreaterThanOrEqual(1);
  expect(place.column).toBeGreaterThanOrEqual(1);
  const line = Array.from(lines[place.line - 1] ?? expect.fail(`no line ${place.line}`));
  expect(place.column + place.length).toBeLessThanOrEqual(line.length + 1);
}

function paths(value: unknown): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const keys = Array.isArray(value) ? value.map((_, i) => i) : Object.keys(value);
  const below = keys.map((key) => paths((value as { [key: string]: unknown })[key]).map((path) => [key, ...path]));
  return [[], ...below.flat()];
}
