import fc from "fast-check";
import { expect, test } from "vitest";
import { decimalText } from "./decimal.ts";
import { newRawNumber } from "./json.ts";

// The original's %v gives 1.234567e+06 and 1e-05 for some of these (agglo-behaviour 3.2, B12).
const cases: [string, string][] = [
  ["0", "0"],
  ["-0", "0"],
  ["-0.0", "0"],
  ["5.0", "5"],
  ["1.50", "1.5"],
  ["-1.50", "-1.5"],
  ["1234567", "1234567"],
  ["0.00001", "0.00001"],
  ["1e-5", "0.00001"],
  ["1E3", "1000"],
  ["1.25e1", "12.5"],
  ["100", "100"],
  ["100e-2", "1"],
  ["1e21", "1000000000000000000000"],
  ["12345678901234567890", "12345678901234567890"],
  ["0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"],
  ["1e999999999", "1e999999999"],
];
test.each(cases)("%s is %s", (text, expected) => expect(decimalText(newRawNumber(text))).toBe(expected));

test("every double comes back from its text, which has no exponent", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const text = decimalText(number);
      expect(text).toMatch(/^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/);
      expect(Number(text)).toBe(number === 0 ? 0 : number);
    }),
  );
});

test("one number has one text, however it is written", () => {
  const digits = fc.integer({ min: -999_999, max: 999_999 });
  fc.assert(
    fc.property(digits, fc.integer({ min: -30, max: 30 }), fc.nat(5), (mantissa, exponent, zeros) => {
      const plain = decimalText(newRawNumber(`${mantissa}e${exponent}`));
      expect(decimalText(newRawNumber(`${mantissa}${"0".repeat(zeros)}E${exponent - zeros}`))).toBe(plain);
      expect(decimalText(newRawNumber(`${mantissa}.${"0".repeat(zeros + 1)}e${exponent}`))).toBe(plain);
      expect(decimalText(newRawNumber(plain))).toBe(plain);
    }),
  );
});
