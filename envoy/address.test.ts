import { describe, expect, it } from "vitest";
import { dialAddress, discovery, envoyAddress, parseAddress } from "./address.ts";

describe("parseAddress", () => {
  it.each([
    ["127.0.0.1:50051", { kind: "socket", host: "127.0.0.1", port: 50051 }],
    ["[::1]:80", { kind: "socket", host: "::1", port: 80 }],
    ["agglo.internal:80", { kind: "socket", host: "agglo.internal", port: 80 }],
    ["unix:/run/agglo.sock", { kind: "pipe", path: "/run/agglo.sock" }],
    ["unix:///run/agglo.sock", { kind: "pipe", path: "/run/agglo.sock" }],
  ])("reads %s", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  it.each([
    "",
    "host",
    "host:",
    ":80",
    "host:0",
    "host:65536",
    "host:80x",
    "::1:80",
    "[host]:80",
    "unix:",
    "http://h:80",
  ])("does not take %j", (text) => {
    expect(parseAddress(text)).toBeUndefined();
    expect(() => dialAddress(text)).toThrow("expected HOST:PORT");
  });

  it("looks up names only", () => {
    expect(discovery(dialAddress("127.0.0.1:1"))).toBe("type: STATIC");
    expect(discovery(dialAddress("[::1]:1"))).toBe("type: STATIC");
    expect(discovery(dialAddress("unix:/s"))).toBe("type: STATIC");
    expect(discovery(dialAddress("localhost:1"))).toContain("type: STRICT_DNS");
  });

  it("writes a pipe for a socket file", () => {
    expect(envoyAddress(dialAddress("unix:/it's"))).toBe("pipe: { path: '/it''s' }");
  });
});
