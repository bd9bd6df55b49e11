import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical, DETECTORS, type Detector, detect } from "./detect.ts";
import { ibanLength } from "./iban.ts";
import { isPan, wholeDigits } from "./numbers.ts";

function found(detector: Detector, text: string): string[] {
  return detect([detector], text).map((find) => text.slice(find.start, find.end));
}

/** [detector, text, what is found in it] */
const TABLE: readonly (readonly [Detector, string, string[]])[] = [
  ["email", "mail ann@example.com, please", ["ann@example.com"]],
  ["email", "<a.b+c@mail.example.co.uk>", ["a.b+c@mail.example.co.uk"]],
  ["email", "bob@example.com.", ["bob@example.com"]],
  ["email", "bob@example.com-", ["bob@example.com"]],
  ["email", "bob@example.com.1", ["bob@example.com"]],
  ["email", '"ann lee"@example.com', ['"ann lee"@example.com']],
  ["email", "müller@bücher.example", ["müller@bücher.example"]],
  ["email", "a@b.cd@e.fg", ["a@b.cd@e.fg"]],
  ["email", "https://user:pw@host.example/x", ["pw@host.example"]],
  ["email", "no@tld", []],
  ["email", "a@1.2", []],
  ["email", "@example.com", []],
  ["email", "a @ b.cd", []],
  ["email", "x@-.com", []],
  ["email", "x@a..com", []],
  ["pan", "4111111111111111", ["4111111111111111"]],
  ["pan", "card 4111-1111-1111-1111.", ["4111-1111-1111-1111"]],
  ["pan", "4111 1111\u00a01111 1111", ["4111 1111\u00a01111 1111"]],
  ["pan", "378282246310005 3782 822463 10005", ["378282246310005", "3782 822463 10005"]],
  ["pan", "on 2024 4111 1111 1111 1111 12", ["4111 1111 1111 1111"]],
  ["pan", "4222222222222", ["4222222222222"]],
  ["pan", "6304000000000000000", ["6304000000000000000"]],
  ["pan", "4111111111111112", []],
  ["pan", "a4111111111111111", []],
  ["pan", "4111111111111111f", []],
  ["pan", "41111111111111111111111", []],
  ["pan", "1700000000004", []], // a time in milliseconds that passes the check
  ["pan", "0000000000000000", []],
  ["pan", "41 11 11 11 11 11 11 11", []],
  ["iban", "to DE89370400440532013000 now", ["DE89370400440532013000"]],
  ["iban", "DE89 3704 0044 0532 0130 00 please", ["DE89 3704 0044 0532 0130 00"]],
  ["iban", "gb82 west 1234 5698 7654 32", ["gb82 west 1234 5698 7654 32"]],
  ["iban", "NO93-8601-1117-947", ["NO93-8601-1117-947"]],
  ["iban", "DE89370400440532013001", []],
  ["iban", "DE8937040044053201300", []],
  ["iban", "DE893704004405320130000", []],
  ["iban", "XX89370400440532013000", []],
  ["iban", "ADE89370400440532013000", []],
  ["ipv4", "from 10.0.0.1:8080, 192.168.1.255", ["10.0.0.1", "192.168.1.255"]],
  ["ipv4", "10.0.0.1.", ["10.0.0.1"]],
  ["ipv4", "10.0.0.256 1.2.3 1.2.3.4.5 v1.2.3.4 1.2.3.4a", []],
  ["ipv6", "at 2001:db8::1, [fe80::1]:443", ["2001:db8::1", "fe80::1"]],
  ["ipv6", "1:2:3:4:5:6:7:8 ::1 ::ffff:10.0.0.1 1::", ["1:2:3:4:5:6:7:8", "::1", "::ffff:10.0.0.1", "1::"]],
  ["ipv6", "2001:db8::1. 2001:db8::2:", ["2001:db8::1", "2001:db8::2"]],
  ["ipv6", "12:30:45 00:1b:44:11:3a:b7 std::string :: 1::2::3 1:2:3:4:5:6:7:8:9 12345::1", []],
  ["jwt", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"]],
  ["jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", ["eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."]],
  ["jwt", "eyJhbGciOiJSU0EifQ.a.b.c.d", ["eyJhbGciOiJSU0EifQ.a.b.c.d"]],
  ["jwt", "eyJhbGciOiJIUzI1NiJ9 xeyJhbGciOiJIUzI1NiJ9.a.b eyJ.a.b", []],
  ["phone", "call +49 (0)30 123456 or +1-202-555-0143", ["+49 (0)30 123456", "+1-202-555-0143"]],
  ["phone", "+442079460958", ["+442079460958"]],
  ["phone", "+1 234 a+12345678901 +0123456789 1+1 +12345678901234567", []],
  ["ssn-us", "ssn 123-45-6789, 123 45 6789", ["123-45-6789", "123 45 6789"]],
  ["ssn-us", "000-45-6789 666-45-6789 900-45-6789 123-00-6789 123-45-0000 123-45 6789 1123-45-6789 123-45-67890", []],
];

describe("a detector finds", () => {
  test.each(TABLE)("%s in %j: %j", (detector, text, expected) => {
    expect(found(detector, text)).toEqual(expected);
  });

  test("nothing in a UUID", () => {
    expect(detect(DETECTORS, "550e8400-e29b-41d4-a716-446655440000")).toEqual([]);
  });

  test("one thing where several of them overlap", () => {
    const text = "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln@example.com";
    expect(detect(["jwt", "email"], text)).toEqual([{ start: 2, end: text.length, detector: "" }]);
  });
});

/** A check digit that makes the digits pass, computed by trying. */
function withLuhn(digits: string): string {
  for (let check = 0; check < 10; check++) if (luhn(digits + check)) return digits + check;
  throw new Error("no digit fits");
}

function luhn(digits: string): boolean {
  const doubled = [...digits].reverse().map((digit, i) => (i % 2 === 0 ? Number(digit) : Number(digit) * 2));
  return doubled.reduce((sum, n) => sum + Math.trunc(n / 10) + (n % 10), 0) % 10 === 0;
}

function withCheckDigits(country: string, body: string): string {
  const numeric = [...`${body}${country}00`].map((char) => Number.parseInt(char, 36)).join("");
  return `${country}${String(98n - (BigInt(numeric) % 97n)).padStart(2, "0")}${body}`;
}

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: min, maxLength: max });
const pans = fc
  .tuple(fc.constantFrom("2", "3", "4", "5", "6", "8", "9"), digits(11, 17))
  .map(([first, rest]) => withLuhn(first + rest));
const countries = fc.constantFrom("DE", "GB", "NO", "FR", "MT", "NL", "CH", "SC");
const ibans = countries.chain((country) =>
  fc
    .string({
      unit: fc.constantFrom(..."0123456789ABXYZ"),
      minLength: ibanLength(country) - 4,
      maxLength: ibanLength(country) - 4,
    })
    .map((body) => withCheckDigits(country, body)),
);
const inGroups = (text: string, separator: string) => text.replace(/(.{4})(?=.)/g, `$1${separator}`);
const separators = fc.constantFrom("", " ", "-");
// Words around, set apart from it by something that is neither letter nor digit.
const around = fc.tuple(fc.string({ maxLength: 20 }), fc.constantFrom(", ", "(", "=", "\n", "“", '"'));

describe("whatever stands around it", () => {
  test("no valid card number escapes, grouped or not", () => {
    fc.assert(
      fc.property(pans, separators, around, around, (pan, separator, [before, open], [after, close]) => {
        const text = before + open + inGroups(pan, separator) + close + after;
        const finds = detect(["pan"], text);
        const start = before.length + open.length;
        const end = start + inGroups(pan, separator).length;
        expect(finds.some((find) => find.start <= start && find.end >= end)).toBe(true);
      }),
    );
  });

  test("no valid IBAN escapes, grouped or not, in capitals or small letters", () => {
    fc.assert(
      fc.property(
        ibans,
        separators,
        fc.boolean(),
        around,
        around,
        (iban, separator, small, [before, open], [after, close]) => {
          const written = inGroups(small ? iban.toLowerCase() : iban, separator);
          const text = before + open + written + close + after;
          const start = before.length + open.length;
          const finds = detect(["iban"], text).filter((find) => find.start === start);
          expect(finds).toEqual([{ start, end: start + written.length, detector: "iban" }]);
          expect(canonical(finds[0] ?? { start: 0, end: 0, detector: "" }, text)).toBe(iban);
        },
      ),
    );
  });

  test("a digit that differs is no card and no IBAN", () => {
    fc.assert(
      fc.property(pans, ibans, fc.integer({ min: 1, max: 9 }), (pan, iban, more) => {
        const wrong = (text: string) => text.slice(0, -1) + ((Number(text.at(-1)) + more) % 10);
        expect(found("pan", wrong(pan))).toEqual([]);
        if (/\d$/.test(iban)) expect(found("iban", wrong(iban))).toEqual([]);
      }),
    );
  });

  test("no text is read twice: the worst of 200,000 characters take no longer than they are long", () => {
    const units = [
      "@",
      'a"@',
      "a.",
      "a@a.",
      "1",
      "1 ",
      "1111-",
      "DE",
      "DE89 ",
      "1.",
      ":",
      "::",
      "a:",
      "eyJ",
      "eyJ.",
      "+1",
      "+",
      "123-",
      "(",
    ];
    for (const unit of units) {
      const text = unit.repeat(Math.ceil(200_000 / unit.length));
      let steps = 0;
      for (const detector of DETECTORS) steps += found(detector, text).length;
      expect(steps).toBeLessThan(2 * text.length);
    }
  });
});

test("a number is whole however it is written", () => {
  const cases: [string, string][] = [
    ["4111111111111111", "4111111111111111"],
    ["-4111111111111111", "4111111111111111"],
    ["4.111111111111111e15", "4111111111111111"],
    ["4111111111111111.0", "4111111111111111"],
    ["41111111111111110e-1", "4111111111111111"],
    ["0.4111111111111111E+16", "4111111111111111"],
    ["4111111111111111.5", ""],
    ["4e999999999", ""],
    ["0", ""],
    ["0e5", ""],
  ];
  for (const [text, expected] of cases) expect(isPan(wholeDigits(text)) ? wholeDigits(text) : "", text).toBe(expected);
});
