import { describe, expect, test } from "vitest";
import { acceptsMedia, isUtf8Charset } from "./media-type.ts";

const types = ["application/json", "application/*+json"];

describe("a content type", () => {
  test.each([
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/ld+json",
    "application/problem+json;x=y",
  ])("%s is taken", (type) => {
    expect(acceptsMedia(types, type)).toBe(true);
  });
  test.each([
    "text/plain",
    "application/jsonx",
    "application/+json",
    "application/json,application/json",
    "",
    "application/x-ndjson",
    "multipart/form-data",
  ])("%s is not", (type) => {
    expect(acceptsMedia(types, type)).toBe(false);
  });
});

describe("a charset", () => {
  test.each(["application/json", 'a/b; charset="UTF-8"', "a/b;charset=utf8", "a/b; q=1; charset=us-ascii"])(
    "%s is UTF-8",
    (type) => {
      expect(isUtf8Charset(type)).toBe(true);
    },
  );
  test.each(["a/b; charset=utf-16", "a/b;CHARSET=iso-8859-1", "a/b; charset=utf-8; charset=utf-7", "a/b; charset"])(
    "%s is not",
    (type) => {
      expect(isUtf8Charset(type)).toBe(false);
    },
  );
});
