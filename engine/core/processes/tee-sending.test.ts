import { describe, expect, test } from "vitest";
import type { ConfigOf } from "../definition.ts";
import type { SystemType } from "../ports.ts";
import { testCompiler } from "../testing.ts";
import { compileSending, type SENDING_FIELDS } from "./tee-sending.ts";

type Config = ConfigOf<typeof SENDING_FIELDS>;
const OBJECTS: SystemType = "ExternalObjectStore";

function compile(config: Partial<Config>, type: SystemType = OBJECTS) {
  const compiler = testCompiler();
  const sending = compileSending(
    { name: "t", keyPrefix: undefined, batch: undefined, spool: undefined, ...config },
    type,
    compiler,
    ["tee"],
  );
  return { sending, diagnostics: compiler.report.diagnostics };
}

describe("a key prefix", () => {
  test.each(["orders/", "orders/dt={date}/", "a-b_c.d=e/{year}/{month}/{day}/{hour}/x", "orders-", "o..rders/a..b/"])(
    "may be %s",
    (keyPrefix) => {
      expect(compile({ keyPrefix })).toEqual({
        sending: { tee: "t", keyPrefix, batch: null, spool: "" },
        diagnostics: [],
      });
    },
  );

  const refused: [string, string][] = [
    ["", "a key prefix begins with literal text"],
    ["{date}/orders/", "a key prefix begins with literal text"],
    ["/orders/", "a key prefix begins with literal text"],
    ["orders/{tenant}/", '"{tenant}" is none of date, year, month, day, hour'],
    ["orders/{}/", '"{}" is none of date, year, month, day, hour'],
    ["orders/{date", '"{" cannot stand in a key prefix'],
    ["orders/date}", '"}" cannot stand in a key prefix'],
    ["orders//x/", 'no part of a key prefix is empty or begins with "."'],
    ["../orders/", "a key prefix begins with literal text"],
    ["orders/../x/", 'no part of a key prefix is empty or begins with "."'],
    ["orders/./x/", 'no part of a key prefix is empty or begins with "."'],
    ["orders/..", 'no part of a key prefix is empty or begins with "."'],
    ["orders/.hidden/", 'no part of a key prefix is empty or begins with "."'],
    ["orders\\x", '"\\" cannot stand in a key prefix'],
    ["orders/\u0000", '"\u0000" cannot stand in a key prefix'],
    ["o".repeat(201), "a key prefix has at most 200 characters"],
  ];
  test.each(refused)("cannot be %j", (keyPrefix, message) => {
    expect(compile({ keyPrefix }).diagnostics).toEqual([
      {
        code: "E_VALUE",
        severity: "error",
        path: ["tee", "keyPrefix"],
        message,
        remedy: "write it like orders/dt={date}/",
        atKey: false,
      },
    ]);
  });

  test.each<SystemType>(["ExternalHttp", "ExternalPubSub", "ExternalLocalFile", "ExternalSearchIndex"])(
    "means nothing to an %s",
    (type) => {
      expect(compile({ keyPrefix: "a/" }, type).diagnostics).toMatchObject([{ message: `an ${type} has no keys` }]);
    },
  );
});

describe("a batch", () => {
  const NONE = { events: undefined, bytes: undefined, seconds: undefined, codec: undefined };

  test("has defaults, and what the file says instead", () => {
    expect(compile({ batch: NONE }).sending.batch).toEqual({
      events: 1000,
      bytes: 1_048_576,
      ms: 5000,
      codec: "ndjson",
    });
    expect(compile({ batch: NONE }, "ExternalPubSub").sending.batch?.bytes).toBe(262_144);
    const batch = { events: 2, bytes: 3, seconds: 0.5, codec: "ndjson.gz" } as const;
    expect(compile({ batch }).sending.batch).toEqual({ events: 2, bytes: 3, ms: 500, codec: "ndjson.gz" });
  });

  test.each([0, -1, 901, Number.NaN])("cannot wait %d seconds", (seconds) => {
    expect(compile({ batch: { ...NONE, seconds } }).diagnostics).toMatchObject([{ path: ["tee", "batch", "seconds"] }]);
  });

  test.each<SystemType>(["ExternalLocalFile", "ExternalSearchIndex"])("cannot go to an %s", (type) => {
    expect(compile({ batch: NONE }, type).diagnostics).toMatchObject([
      { path: ["tee", "batch"], message: `an ${type} takes events one by one` },
    ]);
  });
});

describe("a spool", () => {
  test.each(["/var/spool/agglo/a", "/a..b/.c"])("may be %s", (spool) => {
    expect(compile({ spool })).toMatchObject({ sending: { spool }, diagnostics: [] });
  });

  test.each(["", "a", "./a", "/", "/a/", "/a//b", "/a/../b", "/a/."])("is not %j", (spool) => {
    expect(compile({ spool }).diagnostics).toMatchObject([
      { path: ["tee", "spool"], message: "a spool is an absolute path without empty parts, . and .." },
    ]);
  });
});
