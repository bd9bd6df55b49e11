import { describe, expect, it } from "vitest";
import { HpackDecoder } from "../http2/hpack-decoder.ts";
import { statusTrailers } from "./blocks.ts";
import { encodeStatusMessage } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

describe("grpc-message", () => {
  it.each([
    ["plain text: 'fine' ~", "plain text: 'fine' ~"],
    ["100 %", "100 %25"],
    ["tab\tand\nline", "tab%09and%0Aline"],
    ["Käse", "K%C3%A4se"],
    ["", ""],
  ])("%j", (message, encoded) => {
    expect(encodeStatusMessage(message)).toBe(encoded);
  });

  it("is cut, so that trailers stay small", () => {
    const block = statusTrailers(true, 13, "%".repeat(100_000));
    expect(new HpackDecoder(4096, 10_000).decode(block, 0, block.length)?.value("grpc-message")?.length).toBe(3 * 1024);
  });
});

describe("grpc-timeout", () => {
  it.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["4m", 4],
    ["5u", 1],
    ["6n", 1],
    ["0m", 0],
    ["99999999H", 99_999_999 * 3_600_000],
    ["123456789S", undefined],
    ["1", undefined],
    ["S", undefined],
    ["1s", undefined],
    ["-1S", undefined],
    ["1.5S", undefined],
  ])("%s", (text, ms) => {
    expect(parseTimeout(text)).toBe(ms);
  });
});
