import { expect, test } from "vitest";
import { marked, orderLines, orderText, redactedText, SIZES } from "./bodies.ts";

test.each(SIZES)("an order of %i bytes is as long as that, and JSON", (size) => {
  const text = orderText(size);
  expect(Buffer.byteLength(text)).toBe(size);
  expect(JSON.parse(marked(text))).toEqual({ ...JSON.parse(text), priority: "high" });
});

test("covering an order keeps its length and the rest of it", () => {
  const [plain, covered] = [orderText(1024), redactedText(1024)];
  expect(covered).toHaveLength(plain.length);
  expect(covered).not.toBe(plain);
  expect({ ...JSON.parse(covered), customer: 0, items: 0 }).toEqual({ ...JSON.parse(plain), customer: 0, items: 0 });
});

test("lines are of 1 KB, break included", () => {
  expect(orderLines(16)).toHaveLength(16_384);
});
