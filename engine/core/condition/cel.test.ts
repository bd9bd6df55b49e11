import { describe, expect, test } from "vitest";
import { newRawNumber } from "../event/json.ts";
import { parseText } from "../event/parse.ts";
import { Truth } from "./evaluate.ts";
import { askCel } from "./testing.ts";

const EVENT = {
  id: 7,
  total: 250.5,
  name: "ann",
  empty: "",
  smile: "a😀é",
  halves: "a\ude00\ud83d",
  yes: true,
  no: false,
  nothing: null,
  items: [
    { sku: "sk1", price: 2.5 },
    { sku: "sk2", tags: ["x", 1, null] },
  ],
  none: [],
  address: { city: "Ulm", "zip.code": "89073" },
  "a.b": 1,
  a: { c: 2 },
  ab: { c: 2, d: 3 },
  0: "zero",
  key: "city",
  index: 1,
  pattern: "^a",
  "internal:risk": "from the body",
};
const SIDE = {
  "internal:http": {
    direction: "request",
    method: "POST",
    path: "/orders",
    query: { dry: "1" },
    headers: { "x-env": "prod", host: "shop.example" },
    status: 201,
    request: { method: "GET", headers: { "x-env": "dev" } },
  },
  "internal:risk": { score: 0.9 },
};

function ask(source: string): string {
  const { truth, complaints } = askCel(source, EVENT, SIDE);
  expect(complaints).toEqual([]);
  return ["no", "yes", "error"][truth] as string;
}

describe("the condition of http.md", () => {
  const source = 'size(event.items) > 0 && !(http.headers["x-env"] in ["test", "dev"])';
  test.each([
    [[1], "prod", Truth.yes],
    [[1], "test", Truth.no],
    [[], "prod", Truth.no],
    [[], "dev", Truth.no],
  ])("items %j in %s", (items, env, expected) => {
    const asked = askCel(source, { items }, { "internal:http": { headers: { "x-env": env } } });
    expect(asked.truth).toBe(expected);
  });
  test("without the header: an error, unless the items decide", () => {
    expect(askCel(source, { items: [1] }, { "internal:http": { headers: {} } })).toMatchObject({
      truth: Truth.error,
      error: 'http.headers["x-env"] is not there',
    });
    expect(askCel(source, { items: [] }, { "internal:http": { headers: {} } }).truth).toBe(Truth.no);
  });
});

describe("errors in && and || are absorbed by what the other side decides", () => {
  const error = "event.missing == 1";
  test.each([
    ["true && true", "yes"],
    ["true && false", "no"],
    [`${error} && false`, "no"],
    [`false && ${error}`, "no"],
    [`${error} && true`, "error"],
    [`true && ${error}`, "error"],
    [`${error} && ${error}`, "error"],
    ["false || false", "no"],
    ["false || true", "yes"],
    [`${error} || true`, "yes"],
    [`true || ${error}`, "yes"],
    [`${error} || false`, "error"],
    [`false || ${error}`, "error"],
    [`${error} || ${error}`, "error"],
    // A value that is no truth is an error like any other.
    ["event.name && false", "no"],
    ["event.name && true", "error"],
    ["event.yes && event.name", "error"],
    ["event.no && event.name", "no"],
    ["event.name || event.yes", "yes"],
    ["event.name || event.no", "error"],
    // Inner ones are absorbed where they stand, outer ones further out.
    [`(${error} || true) && true`, "yes"],
    [`(${error} || false) && false`, "no"],
    [`(${error} && (${error} || true)) || true`, "yes"],
    [`!(${error}) || true`, "yes"],
    [`!(${error} && false)`, "yes"],
    [`(${error} ? true : true) || true`, "yes"],
    [`true ? ${error} || true : false`, "yes"],
    [`size(event.missing) > 0 || event.name.startsWith("a")`, "yes"],
    [`event.items[event.missing].sku == "x" || event.id == 7`, "yes"],
    [`[event.id, event.missing] == [7] || event.id == 7`, "yes"],
    // A failure lands in its own place, whatever else is waiting.
    [`event.id == (${error} || true ? 7 : 8)`, "yes"],
    [`[event.id, 9, ${error} || true ? 3 : 4] == [7, 9, 3]`, "yes"],
    [`event.items[${error} || true ? 0 : 1].sku == "sk1"`, "yes"],
    [`event.name.startsWith(${error} || true ? "an" : "x")`, "yes"],
    [`event.yes && (event.yes && (${error} || true))`, "yes"],
  ])("%s is %s", (source, expected) => {
    expect(ask(source)).toBe(expected);
  });

  test("of two sides that fail, the first says why", () => {
    const asked = askCel("event.a > 1 && (event.b > 1 || true) && event.c > 1", {});
    expect(asked).toMatchObject({ truth: Truth.error, error: "event.a is not there" });
  });
});

describe("fields", () => {
  test.each([
    ['event.address.city == "Ulm"', "yes"],
    ['event["address"]["city"] == "Ulm"', "yes"],
    ["event.items[0].price == 2.5", "yes"],
    ['event.items[1].tags[0] == "x"', "yes"],
    ["event.items[1u].tags[1.0] == 1", "yes"],
    ["event.items[2].price == 2.5", "error"],
    ["event.missing == null", "error"],
    ["event.nothing == null", "yes"],
    ["event.name.first == 1", "error"],
    // A name is one member: no other way to a key that holds dots, none into arrays by name or objects by number.
    ['event["a.b"] == 1', "yes"],
    ["event.a.b == 1", "error"],
    ['event.address["zip.code"] == "89073"', "yes"],
    ['event.items["0"].price == 2.5', "error"],
    ['event[0] == "zero"', "error"],
    ['event["0"] == "zero"', "yes"],
    // Own members only.
    ["event.constructor == 1", "error"],
    ["event.items.length == 2", "error"],
    ["event.name.length == 3", "error"],
    ['event.address[event.key] == "Ulm"', "yes"],
    ["event.address[event.id] == 1", "error"],
    ['event.items[event.index].sku == "sk2"', "yes"],
    ["event.items[event.total].sku == null", "error"],
    ["event.items[0 - 1].sku == null", "error"],
    ['event.items[size(event.items) - 1].sku == "sk2"', "yes"],
    ['(event.yes ? event.address : event.a).city == "Ulm"', "yes"],
    ['["x", "y"][1] == "y"', "yes"],
    ["has(event.address.city)", "yes"],
    ["has(event.address.street)", "no"],
    ["has(event.nothing)", "yes"],
    ["has(event.missing)", "no"],
    ["has(event.missing.city)", "error"],
    ["has(event.name.first)", "error"],
    ["has(event.items.sku)", "error"],
    ["has((event.yes ? event.address : event.a).city)", "yes"],
    ["has((event.no ? event.address : event.a).city)", "no"],
    ["has((event.no ? event.address : event.name).city)", "error"],
    ["has(event.toString)", "no"],
  ])("%s is %s", (source, expected) => {
    expect(ask(source)).toBe(expected);
  });
});

describe("what is read of the reserved keys stands beside the event", () => {
  test.each([
    ['http.headers["x-env"] == "prod"', "yes", ["internal:http.headers.x-env"]],
    ['http.method == "POST" && http.status >= 200', "yes", ["internal:http.method", "internal:http.status"]],
    ['http.request.headers["x-env"] == "dev"', "yes", ["internal:http.request.headers.x-env"]],
    ['"x-env" in http.headers', "yes", ["internal:http.headers"]],
    ["has(http.query.dry)", "yes", ["internal:http.query.dry"]],
    ["http.headers[event.key] == http.path", "error", ["internal:http.headers", "internal:http.path"]],
    ["size(http) > 3", "yes", ["internal:http"]],
    ['internal["risk"].score > 0.5', "yes", ["internal:risk.score"]],
    ["internal.risk.score > 0.5", "yes", ["internal:risk.score"]],
    ['internal["http"].method == "POST"', "yes", ["internal:http.method"]],
    ["internal.other == 1", "error", ["internal:other"]],
  ])("%s", (source, expected, reads) => {
    expect(ask(source)).toBe(expected);
    expect(askCel(source, EVENT, SIDE).reads).toEqual(reads);
  });

  test("a body's own internal:… members answer nothing", () => {
    const body = { "internal:risk": "x", k: "internal:risk" };
    expect(askCel('event[event.k] == "x"', body).truth).toBe(Truth.error);
    expect(askCel("event.k in event", body).truth).toBe(Truth.no);
    expect(askCel('event["internal:risk"] == "x"', body).complaints).toEqual([
      'E_CONDITION at character 1, `event["internal:risk"]`: reserved keys are not in the event; write internal["risk"]',
    ]);
  });
});

describe("types are never converted", () => {
  test.each([
    ["event.id == 7", "yes"],
    ["event.id == 7u", "yes"],
    ["event.id == 7.0", "yes"],
    ['event.id == "7"', "no"],
    ['event.id != "7"', "yes"],
    ["event.yes == 1", "no"],
    ["event.nothing == false", "no"],
    ['event.id < "8"', "error"],
    ["event.nothing < 1", "error"],
    ["event.no < event.yes", "yes"],
    ["event.yes < true", "no"],
    ['event.name < "ao"', "yes"],
    // By code points, not by the halves of UTF-16.
    ['"\uffff" < "\u{1f600}"', "yes"],
    ["event.total > 250", "yes"],
    ["event.total >= 250.5", "yes"],
    ["250u < event.total", "yes"],
    ["event.items == event.items", "yes"],
    ["event.none == []", "yes"],
    ["event.items[1].tags == ['x', 1, null]", "yes"],
    ["event.items[1].tags == ['x', 1]", "no"],
    ["event.address == event.a", "no"],
    ["event.address == event.items", "no"],
    ["event.a == event.ab", "no"],
    ["event.ab == event.a", "no"],
    ["event.total * 2.0 == 501.0", "yes"],
    ["event.total / 0.0 > 1000.0", "yes"],
    ["0.0 / 0.0 == 0.0 / 0.0", "no"],
    ["event.name + 'a' == 'anna'", "yes"],
    ["event.name + event.id == 'ann7'", "error"],
    ["event.none + [1] == [1]", "yes"],
    ["event.items + event.none == event.items", "yes"],
    ["-event.id == -7", "yes"],
    ["-event.name == 1", "error"],
    ["!event.no", "yes"],
    ["!event.name", "error"],
    ["event.yes ? true : false", "yes"],
    ["event.name ? true : true", "error"],
    // Only the branch that is taken is looked at.
    ["event.yes ? event.id == 7 : event.missing", "yes"],
    ["size(event.items) + 1 == 3", "yes"],
    ["7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1", "yes"],
    ["7u / 2u == 3u", "yes"],
    ["1 / (size(event.none)) == 1", "error"],
    ["1 % (size(event.none)) == 1", "error"],
    ["1u - 2u == 0u", "error"],
    // Whole numbers end where a double stops being exact.
    ["9007199254740991 + 1 > 0", "error"],
    ["-9007199254740991 - 1 < 0", "error"],
    ["9007199254740991 * 9007199254740991 > 0", "error"],
    ["event.yes", "yes"],
    ["event.no", "no"],
    ["event.name", "error"],
  ])("%s is %s", (source, expected) => {
    expect(ask(source)).toBe(expected);
  });

  test("numbers that keep their text are numbers", () => {
    const text = '{"big":12345678901234567890,"price":1.50,"list":[1.50,{"x":2.0}]}';
    const event = parseText(text, 0, text.length, 9).value as never;
    for (const source of [
      "event.big > 12345678901234000000.0",
      "event.price == 1.5",
      "event.price * 2.0 == 3.0",
      "1.5 in event.list",
      "event.list == [1.5, event.list[1]]",
      "event.list[1].x == 2",
      "event.list[1] in event.list",
    ]) {
      expect(askCel(source, event).truth, source).toBe(Truth.yes);
    }
    expect(askCel("event.a == event.b", { a: newRawNumber("1.0"), b: newRawNumber("1.00") }).truth).toBe(Truth.yes);
    expect(askCel("size(event.a) == 0", { a: newRawNumber("1.0") }).truth).toBe(Truth.error);
    expect(askCel("event.a == event.b", { a: newRawNumber("1.0"), b: null }).truth).toBe(Truth.no);
  });
});

describe("functions", () => {
  test.each([
    ["size(event.items) == 2", "yes"],
    ["event.items.size() == 2", "yes"],
    ["size(event.address) == 2", "yes"],
    ["size([]) == 0", "yes"],
    // Code points: neither bytes nor halves of UTF-16.
    ["size(event.smile) == 3", "yes"],
    ["size('😀') == 1 && size('') == 0", "yes"],
    ["size(event.halves) == 3", "yes"],
    ["size(event.id) == 1", "error"],
    ["size(event.nothing) == 0", "error"],
    ["event.name.startsWith('an')", "yes"],
    ["event.name.startsWith('')", "yes"],
    ["event.name.startsWith('n')", "no"],
    ["event.smile.startsWith('a😀')", "yes"],
    ["event.smile.endsWith('é')", "yes"],
    ["event.smile.contains('😀')", "yes"],
    ["event.smile.contains('e')", "no"],
    ["event.id.contains('7')", "error"],
    ["event.name.contains(event.id)", "error"],
    // Anywhere in the text, as RE2's search.
    ["event.name.matches('n+$')", "yes"],
    ["event.name.matches('^n')", "no"],
    ["matches(event.name, 'a.n')", "yes"],
    ["event.id.matches('7')", "error"],
    ["event.name.matches(event.pattern)", "yes"],
    ["event.name.matches(event.id)", "error"],
    ["event.name.matches(event.name + '(')", "error"],
    ["'x' in event.items[1].tags", "yes"],
    ["1.0 in event.items[1].tags", "yes"],
    ["null in event.items[1].tags", "yes"],
    ["'1' in event.items[1].tags", "no"],
    ["event.items[0] in event.items", "yes"],
    ["event.id in [1, 7, 9]", "yes"],
    ["event.name in ['bob', event.name]", "yes"],
    ["event.id in []", "no"],
    ["'city' in event.address", "yes"],
    ["'Ulm' in event.address", "no"],
    ["event.id in event.address", "no"],
    ["'toString' in event.address", "no"],
    ["'a' in event.name", "error"],
    ["!(event.id in [1, 2])", "yes"],
  ])("%s is %s", (source, expected) => {
    expect(ask(source)).toBe(expected);
  });
});

describe("what can never work is refused when it is loaded, with its place", () => {
  const LIST = "known here: has, size, startsWith, endsWith, contains, matches";
  test.each([
    ["", "at character 1: expected a value, found the end"],
    ["event.a ==", "at character 11: expected a value, found the end"],
    ["'😀' == event.a = 1", "at character 16, `=`: this means nothing here; write == to compare"],
    [
      "x == 1",
      'at character 1, `x`: there is no variable x; a condition begins at event, http or internal; a key that is no name goes in brackets: event["x-y"]',
    ],
    [
      "event.x-env == 1",
      'at character 9, `env`: there is no variable env; a condition begins at event, http or internal; a key that is no name goes in brackets: event["x-y"]',
    ],
    ["sizee(event.a) > 0", `at character 1, \`sizee(event.a)\`: there is no function sizee; ${LIST}`],
    ["event.a.all(x, x > 1)", `at character 1, \`event.a.all(x, x > 1)\`: the macro all is not in the subset; ${LIST}`],
    [
      "event.a.exists(x, x > 1)",
      `at character 1, \`event.a.exists(x, x > 1)\`: the macro exists is not in the subset; ${LIST}`,
    ],
    [
      "size(event.a.map(x, x)) > 0",
      `at character 6, \`event.a.map(x, x)\`: the macro map is not in the subset; ${LIST}`,
    ],
    [
      "size(event.a.filter(x, x)) > 0",
      `at character 6, \`event.a.filter(x, x)\`: the macro filter is not in the subset; ${LIST}`,
    ],
    ["int(event.a) > 0", `at character 1, \`int(event.a)\`: the function int is not in the subset; ${LIST}`],
    ["event.a.has(b)", `at character 1, \`event.a.has(b)\`: there is no function has; ${LIST}`],
    ["constructor(event.a)", `at character 1, \`constructor(event.a)\`: there is no function constructor; ${LIST}`],
    ["size() > 0", "at character 1, `size()`: size takes 1 argument, found 0"],
    ["event.a.size(1) > 0", "at character 1, `event.a.size(1)`: size takes no argument, found 1"],
    [
      "event.a.startsWith('a', 'b')",
      "at character 1, `event.a.startsWith('a', 'b')`: startsWith takes 1 argument, found 2",
    ],
    [
      "startsWith(event.a, 'b')",
      "at character 1, `startsWith(event.a, 'b')`: startsWith is called on a string; write x.startsWith(y)",
    ],
    ["has(event)", "at character 1, `has(event)`: has takes a member; write has(event.a.b)"],
    ["has(event.a, event.b)", "at character 1, `has(event.a, event.b)`: has takes a member; write has(event.a.b)"],
    [
      'has(http.headers["x-env"])',
      'at character 1, `has(http.headers["x-env"])`: has takes a member; ask for a key with in: "x-env" in http.headers',
    ],
    ["1 + 2", "at character 1, `1 + 2`: a condition must be true or false, this is an int; compare it with something"],
    [
      "'yes'",
      "at character 1, `'yes'`: a condition must be true or false, this is a string; compare it with something",
    ],
    [
      "event.yes ? 1 : 'a'",
      "at character 1, `event.yes ? 1 : 'a'`: a condition must be true or false, this is an int or a string; compare it with something",
    ],
    [
      "http.method",
      "at character 1, `http.method`: a condition must be true or false, this is a string; compare it with something",
    ],
    [
      "size(event.a) == '2'",
      "at character 1, `size(event.a) == '2'`: an int and a string are never equal; nothing is converted: compare what is of one type",
    ],
    [
      "http.status == '200'",
      "at character 1, `http.status == '200'`: a double and a string are never equal; nothing is converted: compare what is of one type",
    ],
    [
      "http.method > 1",
      "at character 1, `http.method > 1`: a string and an int have no order; numbers are compared with numbers, strings with strings",
    ],
    ["http.method in [1, 2]", "at character 1, `http.method in [1, 2]`: a string is never among an int"],
    ["1 in http.headers", "at character 1, `1 in http.headers`: an int is never among keys, which are strings"],
    ["'a' in 'abc'", "at character 8, `'abc'`: expected a list or a map, this is a string"],
    [
      "event.total * 2 > 1.0",
      "at character 1, `event.total * 2`: * cannot be applied to a double and an int: nothing is converted; an event's numbers are doubles: write 2.0",
    ],
    [
      "1 + event.total > 1.0",
      "at character 1, `1 + event.total`: + cannot be applied to an int and a double: nothing is converted; an event's numbers are doubles: write 1.0",
    ],
    [
      "size(event.a) * event.b > 1.0",
      "at character 1, `size(event.a) * event.b`: * cannot be applied to an int and a double: nothing is converted; an event's numbers are doubles",
    ],
    [
      "(event.yes ? 1 : 2.0) + (event.no ? 1 : 2.0) > 1",
      "at character 1, `(event.yes ? 1 : 2.0) + (event.no ? 1 : …`: + cannot be applied to an int or a double and an int or a double: nothing is converted; an event's numbers are doubles",
    ],
    [
      "(event.yes ? 1 : 2.0) + 1 > 1",
      "at character 1, `(event.yes ? 1 : 2.0) + 1`: + cannot be applied to an int or a double and an int: nothing is converted; an event's numbers are doubles: write 1.0",
    ],
    [
      "[[1]][0][0] + event.a > 1",
      "at character 1, `[[1]][0][0] + event.a`: + cannot be applied to an int or a double and a double: nothing is converted; an event's numbers are doubles",
    ],
    [
      "1u + 1 > 1",
      "at character 1, `1u + 1`: + cannot be applied to a uint and an int: nothing is converted; an event's numbers are doubles: write 1.0",
    ],
    [
      "event.a % event.b == 0",
      "at character 1, `event.a % event.b`: % takes whole numbers, and an event's numbers are doubles",
    ],
    ["'a' - 'b' == 'c'", "at character 1, `'a' - 'b'`: - cannot be applied to a string and a string"],
    ["-1u == 1u", "at character 2, `1u`: expected an int or a double, this is a uint"],
    ["!1", "at character 2, `1`: expected a bool, this is an int"],
    ["1 && event.yes", "at character 1, `1`: expected a bool, this is an int"],
    ["event.yes || 'a'", "at character 14, `'a'`: expected a bool, this is a string"],
    ["'a' ? true : false", "at character 1, `'a'`: expected a bool, this is a string"],
    ["size(1) == 1", "at character 6, `1`: expected a string or a list or a map, this is an int"],
    ["size(event.a).startsWith('a')", "at character 1, `size(event.a)`: expected a string, this is an int"],
    ["event.a[true] == 1", "at character 1, `event.a[true]`: a bool is no key and no index"],
    ["event.a[-1] == 1", "at character 9, `-1`: an index is a whole number from 0"],
    ["event.a[1.5] == 1", "at character 9, `1.5`: an index is a whole number from 0"],
    ["1.e3 == 1", "at character 1, `1`: expected a map, this is an int"],
    [
      "http.header['x'] == 'a'",
      "at character 1, `http.header['x']`: http has no member header; known here: direction, route, status, request, method, path, query, host, scheme, requestId, headers",
    ],
    [
      "http.request.status == 1",
      "at character 1, `http.request.status`: http.request has no member status; known here: method, path, query, host, scheme, requestId, headers",
    ],
    [
      "http[0] == 1",
      "at character 1, `http[0]`: http has no member 0; known here: direction, route, status, request, method, path, query, host, scheme, requestId, headers",
    ],
    ["http.method.x == 1", "at character 1, `http.method.x`: method is a string, which has no x"],
    [
      "http.headers['X-Env'] == 'a'",
      "at character 1, `http.headers['X-Env']`: names of headers come in lower case; write \"x-env\"",
    ],
    [
      "internal == 1",
      'at character 1, `internal`: a reserved key goes without its internal:; write internal["risk"] for internal:risk',
    ],
    [
      'internal["internal:risk"] == 1',
      'at character 1, `internal["internal:risk"]`: a reserved key goes without its internal:; write internal["risk"] for internal:risk',
    ],
  ])("%s", (source, expected) => {
    expect(askCel(source, {}).complaints).toEqual([`E_CONDITION ${expected}`]);
  });

  test("a pattern that is none is E_PATTERN", () => {
    expect(askCel("event.a.matches('(')", {}).complaints[0]).toMatch(/^E_PATTERN the pattern /);
  });

  test("everything wrong in one condition is said at once, and each thing once", () => {
    const { complaints } = askCel("foo(event.a) > 1 && x == 2 || !size(event.b)", {});
    expect(complaints.map((text) => text.slice(0, text.indexOf(":")))).toEqual([
      "E_CONDITION at character 1, `foo(event.a)`",
      "E_CONDITION at character 21, `x`",
      "E_CONDITION at character 32, `size(event.b)`",
    ]);
  });

  test("a long place is quoted short", () => {
    const { complaints } = askCel(`foo("${"x".repeat(300)}")`, {});
    expect(complaints[0]?.length).toBeLessThan(250);
  });
});

test("messages of errors name fields and types, never values", () => {
  const messages = [
    'event.total + "x" == "secret"',
    "event.name < 1",
    "size(event.id) == 1",
    "event.name.contains(event.id)",
    "event.name.matches(event.id)",
    "event.address[event.name] == 1",
    "event.name && event.yes",
    "event.name ? true : false",
    "!event.name",
    "1 / size(event.none) == 1",
    "'a' in event.name",
    "event.name",
  ].map((source) => askCel(source, EVENT, SIDE).error);
  expect(messages).toEqual([
    "+ cannot be applied to a number and a string",
    "< cannot be applied to a string and a number",
    "size() cannot be applied to a number",
    "contains() cannot be applied to a string and a number",
    "regexMatch cannot be applied to a string and a number",
    "an object has no such member or element (looked up with a string)",
    "&& and || need true or false, found a string",
    "?: needs true or false, found a string",
    "logicalNot cannot be applied to a string",
    "/ has no result: a division by zero, or a whole number out of range",
    "in cannot be applied to a string and a string",
    "the condition yields a string, not true or false",
  ]);
});

test("the longest chains compile and run", () => {
  expect(ask(Array(650).fill("true").join("&&"))).toBe("yes");
  expect(ask(`${Array(1900).fill("1").join("+")} > 1`)).toBe("yes");
  expect(ask(`event${".a".repeat(1900)} == 1`)).toBe("error");
  expect(ask(`event.id in [${Array(1900).fill("7").join(",")}]`)).toBe("yes");
});
