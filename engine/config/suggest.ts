/** "Did you mean": the known name nearest to one nobody knows. */
import { quote } from "./print.ts";

/** Longer names are compared for equality only: what a file may hold must not decide how long we think about it. */
const MAX_NAME_CHARACTERS = 64;
/** Below this, "is a part of" says nothing. */
const MIN_PART_CHARACTERS = 3;

/** A remedy, `did you mean "x"?`, or "" when no candidate is near. */
export function suggest(name: string, candidates: readonly string[]): string {
  const near = nearest(name, candidates);
  return near === undefined ? "" : `did you mean ${quote(near)}?`;
}

/**
 * The candidate that differs least: in case only, else in separators (`process_definitions`), else in a few letters,
 * else the only one the name is a part of (`Sum` of `TransformSum`). Of equally near ones the first.
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (name === "") return undefined;
  const lower = name.toLowerCase();
  const bare = withoutSeparators(lower);
  return (
    candidates.find((candidate) => candidate.toLowerCase() === lower) ??
    candidates.find((candidate) => bare !== "" && withoutSeparators(candidate.toLowerCase()) === bare) ??
    (name.length > MAX_NAME_CHARACTERS
      ? undefined
      : (nearestByLetters(bare, candidates) ?? onlyWhole(bare, candidates)))
  );
}

function withoutSeparators(name: string): string {
  return name.replace(/[-_. ]/g, "");
}

function nearestByLetters(bare: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = withoutSeparators(candidate.toLowerCase());
    if (Math.abs(other.length - bare.length) > allowed(bare, other)) continue;
    const distance = editDistance(bare, other);
    if (distance <= allowed(bare, other) && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

// A third of the letters, but never all of the shorter name: `a` is no misspelt `b`.
function allowed(a: string, b: string): number {
  const third = Math.max(1, Math.floor(Math.max(a.length, b.length) / 3));
  return Math.min(third, Math.min(a.length, b.length) - 1);
}

function onlyWhole(bare: string, candidates: readonly string[]): string | undefined {
  if (bare.length < MIN_PART_CHARACTERS) return undefined;
  const wholes = candidates.filter((candidate) => candidate.toLowerCase().includes(bare));
  return wholes.length === 1 ? wholes[0] : undefined;
}

/** Damerau-Levenshtein (optimal string alignment): insert, delete, replace or swap two neighbours, each one step. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] as number; // every index above is inside the row
}
