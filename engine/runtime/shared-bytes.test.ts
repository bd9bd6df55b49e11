import { expect, test } from "vitest";
import { reuseShared, shareBytes } from "./shared-bytes.ts";

const bytes = (length: number, of: number) => new Uint8Array(length).fill(of);

test("is a copy in shared memory", () => {
  const original = bytes(100_000, 1);
  const copy = shareBytes([original.subarray(0, 10), original.subarray(10)]);
  expect(copy.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(copy).toEqual(original);
});

test("memory that was given back serves the next that fits, and no two at once", () => {
  const first = shareBytes([bytes(200_000, 1)]);
  const second = shareBytes([bytes(200_000, 2)]);
  expect(second.buffer).not.toBe(first.buffer);
  reuseShared(first);
  const smaller = shareBytes([bytes(150_000, 3)]);
  expect(smaller.buffer).toBe(first.buffer);
  expect(smaller).toEqual(bytes(150_000, 3));
  expect(shareBytes([bytes(150_000, 4)]).buffer).not.toBe(first.buffer);
  expect(second).toEqual(bytes(200_000, 2));
});

test("what is too large is not kept", () => {
  const large = shareBytes([bytes(5_000_000, 1)]);
  reuseShared(large);
  expect(shareBytes([bytes(5_000_000, 2)]).buffer).not.toBe(large.buffer);
});
