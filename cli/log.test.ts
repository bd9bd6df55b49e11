import { expect, test } from "vitest";
import { describeBug } from "./log.ts";

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

test("a bug is described with its place, and never with what was read", () => {
  const parse = describeBug(thrownBy(() => JSON.parse('{"card": 4111111111111111 S3CR3T')));
  expect(parse).toMatch(/^a bug of ours: SyntaxError\n +at /);
  expect(parse).not.toMatch(/S3CR3T|4111/);
  const type = describeBug(thrownBy(() => (undefined as unknown as { x: number }).x));
  expect(type).toMatch(/^a bug of ours: TypeError: Cannot read .*\n +at /);
  expect(describeBug("S3CR3T")).toBe("a bug of ours: string was thrown");
});
