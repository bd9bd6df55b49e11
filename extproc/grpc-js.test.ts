import http2 from "node:http2";
import { describe, expect, it } from "vitest";
import { grpcJsTransport } from "./grpc-js.ts";
import { describeTransport, starter } from "./transport-contract.ts";

describe("the transport over grpc-js", () => {
  describeTransport(grpcJsTransport);

  const up = starter(grpcJsTransport);

  it("leaves node:http2 as it was", async () => {
    const before = http2.createServer;
    const opening = up();
    expect(http2.createServer).toBe(before);
    await opening;
    expect(http2.createServer).toBe(before);
  });
});
