/** Numbers as plain decimal text: one text per number, however it was written. Nothing is rounded. */
import type { RawNumber } from "./json.ts";

/** Further from 1 than any double is, a number keeps its own text: spelling out 1e999999999 takes a gigabyte. */
const EXPONENT_MAX = 400;

const NUMBER = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** `1e3` and `1000.0` are "1000", `0.00001` is "0.00001", `-0` is "0", a number of 20 digits has 20. */
export function decimalText(number: number | RawNumber): string {
  const text = typeof number === "number" ? String(number) : number.text;
  const parts = NUMBER.exec(text);
  if (parts === null) return text;
  const exponent = Number(parts[4] ?? "0");
  if (Math.abs(exponent) > EXPONENT_MAX) return text;
  const fraction = parts[3] ?? "";
  return spell(parts[1] as string, (parts[2] as string) + fraction, fraction.length - exponent);
}

/** `digits` with the last `places` of them behind the point; negative: so many zeros more before it. */
function spell(sign: string, digits: string, places: number): string {
  const padded = places < 0 ? digits + "0".repeat(-places) : digits.padStart(places + 1, "0");
  const point = padded.length - Math.max(places, 0);
  let first = 0;
  while (first < point - 1 && padded[first] === "0") first++;
  let last = padded.length;
  while (last > point && padded[last - 1] === "0") last--;
  const plain = padded.slice(first, point) + (last > point ? `.${padded.slice(point, last)}` : "");
  return plain === "0" ? plain : sign + plain;
}
