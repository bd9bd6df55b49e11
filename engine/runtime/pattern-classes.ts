/** Sets of code points, as sorted, disjoint ranges: `[lo, hi, lo, hi, …]`. What a character class of RE2 means. */

export type Ranges = readonly number[];

const MAX_CODE_POINT = 0x10ffff;

export const ANY: Ranges = [0, MAX_CODE_POINT];

/** What `\d`, `\w`, `\s` are to RE2: ASCII only, and no vertical tab among the spaces. */
export const PERL: { readonly [letter: string]: Ranges } = {
  d: [0x30, 0x39],
  w: [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a],
  s: [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20],
};

export function union(a: Ranges, b: Ranges): Ranges {
  const pairs: [number, number][] = [];
  for (let i = 0; i < a.length; i += 2) pairs.push([a[i] as number, a[i + 1] as number]);
  for (let i = 0; i < b.length; i += 2) pairs.push([b[i] as number, b[i + 1] as number]);
  pairs.sort((left, right) => left[0] - right[0]);
  const merged: number[] = [];
  for (const [lo, hi] of pairs) {
    const last = merged.length - 1;
    if (last > 0 && lo <= (merged[last] as number) + 1) merged[last] = Math.max(merged[last] as number, hi);
    else merged.push(lo, hi);
  }
  return merged;
}

export function complement(ranges: Ranges): Ranges {
  const rest: number[] = [];
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    if ((ranges[i] as number) > from) rest.push(from, (ranges[i] as number) - 1);
    from = (ranges[i + 1] as number) + 1;
  }
  if (from <= MAX_CODE_POINT) rest.push(from, MAX_CODE_POINT);
  return rest;
}

export function areDisjoint(a: Ranges, b: Ranges): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if ((a[i + 1] as number) < (b[j] as number)) i += 2;
    else if ((b[j + 1] as number) < (a[i] as number)) j += 2;
    else return false;
  }
  return true;
}

/** Letters outside ASCII that fold to one inside: the long s and the Kelvin sign. */
const FOLDED_OUTSIDE: { readonly [letter: string]: number } = { s: 0x17f, k: 0x212a };

/** With every letter its other case, as `(?i)` reads it. undefined: not ASCII alone, where folding needs tables. */
export function foldCase(ranges: Ranges): Ranges | undefined {
  let folded = ranges;
  for (let i = 0; i < ranges.length; i += 2) {
    if ((ranges[i + 1] as number) > 0x7f) return undefined;
    for (let code = ranges[i] as number; code <= (ranges[i + 1] as number); code++) {
      const lower = String.fromCharCode(code).toLowerCase();
      if (lower < "a" || lower > "z") continue;
      const small = lower.charCodeAt(0);
      folded = union(folded, [small, small]);
      folded = union(folded, [small - 0x20, small - 0x20]);
      const outside = FOLDED_OUTSIDE[lower];
      if (outside !== undefined) folded = union(folded, [outside, outside]);
    }
  }
  return folded;
}

/** The set in JavaScript's notation, for a pattern with the flag `u`. */
export function classSource(ranges: Ranges): string {
  if (ranges.length === 0) return "[]";
  if (ranges.length === 2 && ranges[0] === ranges[1]) return codeSource(ranges[0] as number);
  let source = "";
  for (let i = 0; i < ranges.length; i += 2) {
    source += codeSource(ranges[i] as number);
    if (ranges[i] !== ranges[i + 1]) source += `-${codeSource(ranges[i + 1] as number)}`;
  }
  return `[${source}]`;
}

function codeSource(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
