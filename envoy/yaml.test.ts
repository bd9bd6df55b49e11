import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { lines, oneLine, quoted, yaml } from "./yaml.ts";

describe("yaml", () => {
  it("takes off the margin and ends without a newline", () => {
    expect(yaml`
      a: 1
        b: \d
    `).toBe("a: 1\n  b: \\d");
  });

  it("indents a block to the column it stands at", () => {
    expect(yaml`
      list:
        - ${"a: 1\nb: 2\n\nc: 3"}
    `).toBe("list:\n  - a: 1\n    b: 2\n\n    c: 3");
  });

  it("drops the line of an empty block, and only that", () => {
    expect(yaml`
      a: 1
      ${""}
      b: x${""}y
    `).toBe("a: 1\nb: xy");
  });

  it("joins blocks without gaps", () => {
    expect(lines(["a", "", "b"])).toBe("a\nb");
  });
});

describe("quoted", () => {
  it("keeps any text, as a string", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(parse(`a: ${quoted(text)}`)).toEqual({ a: text });
        expect(parse(`{ a: ${quoted(text)} }`)).toEqual({ a: text });
      }),
    );
  });

  it("leaves backslashes of patterns alone", () => {
    expect(quoted("/a\\.b's")).toBe("'/a\\.b''s'");
  });

  it("keeps a comment on its line", () => {
    expect(oneLine('a\r\n"b"\u0085c\u2028')).toBe('a\\r\\n"b"\\u0085c\\u2028');
  });
});
