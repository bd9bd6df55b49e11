import { describe, expect, test } from "vitest";
import { readRequestFacts } from "./http-context.ts";
import { asksForTunnel, beginsLikeGrpc, isGrpcType, opensTunnel } from "./http-message.ts";

const request = (method: string, ...headers: string[]) => readRequestFacts([":method", method, ...headers]);

describe("a request that asks for a tunnel", () => {
  test.each([
    ["CONNECT", request("CONNECT")],
    ["an upgrade", request("GET", "connection", "upgrade", "upgrade", "websocket")],
    ["an upgrade among other options", request("GET", "connection", "keep-alive, Upgrade")],
    ["an upgrade in a second line", request("GET", "connection", "keep-alive", "connection", "upgrade")],
    ["an upgrade that says it has no content", request("GET", "connection", "upgrade", "content-length", "0")],
  ])("%s", (_name, facts) => expect(asksForTunnel(facts)).toBe(true));

  test.each([
    ["a plain GET", request("GET")],
    ["another option", request("GET", "connection", "x-upgrade")],
    ["a method with a content", request("POST", "connection", "upgrade")],
    ["a GET with a content, which an upstream that declines would read", request("GET", ...upgradeWithContent())],
  ])("not %s", (_name, facts) => expect(asksForTunnel(facts)).toBe(false));
});

function upgradeWithContent(): string[] {
  return ["connection", "upgrade", "content-length", "12"];
}

test("a response that opens the tunnel", () => {
  expect(opensTunnel(request("GET"), [":status", "101"])).toBe(true);
  expect(opensTunnel(request("CONNECT"), [":status", "200"])).toBe(true);
  expect(opensTunnel(request("CONNECT"), [":status", "407"])).toBe(false);
  expect(opensTunnel(request("GET"), [":status", "200"])).toBe(false);
  expect(opensTunnel(undefined, [":status", "200"])).toBe(false);
});

test.each([
  ["application/grpc", true],
  ["application/grpc+proto", true],
  ["Application/gRPC; x=y", true],
  ["application/grpc-web", false],
  ["application/grpcx", false],
])("%s is gRPC: %s", (type, is) => expect(isGrpcType(type)).toBe(is));

test("no JSON begins like a gRPC message", () => {
  expect(beginsLikeGrpc(Buffer.from([0, 0, 0, 0, 1, 1]))).toBe(true);
  expect(beginsLikeGrpc(Buffer.from([1, 0, 0, 0, 1, 1]))).toBe(true);
  expect(beginsLikeGrpc(new Uint8Array(0))).toBe(true);
  for (const text of ["{", " {", "\n[", "1", '"']) expect(beginsLikeGrpc(Buffer.from(text))).toBe(false);
});
