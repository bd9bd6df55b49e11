import { expect, test } from "vitest";
import { endpointsOf } from "./endpoints.ts";

test.each([
  ["127.0.0.1:50051", 1, ["127.0.0.1:50051"]],
  ["127.0.0.1:50051", 3, ["127.0.0.1:50051", "127.0.0.1:50052", "127.0.0.1:50053"]],
  ["[::1]:7000", 2, ["[::1]:7000", "[::1]:7001"]],
  ["127.0.0.1:0", 2, ["127.0.0.1:0", "127.0.0.1:0"]],
  ["unix:/run/agglo.sock", 3, ["unix:/run/agglo.sock", "unix:/run/agglo.sock.1", "unix:/run/agglo.sock.2"]],
])("%s for %d processes", (address, processes, endpoints) => {
  expect(endpointsOf("extproc", address, processes)).toEqual(endpoints);
});

test("ports end somewhere", () => {
  expect(() => endpointsOf("extproc", "127.0.0.1:65535", 2)).toThrow(/2 processes from port 65535 on go beyond 65535/);
});
