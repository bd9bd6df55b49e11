/** Globs that are more than a prefix. Apart from glob.ts, since a bundle for nginx that has none does without. */

/** Whether a path is as the pattern says. Greedy with one way back, to the last "**": an earlier one never takes more. */
export function matchSegments(pattern: readonly string[], path: readonly string[]): boolean {
  let p = 0;
  let s = 0;
  let starAt = -1;
  let starTook = 0;
  while (s < path.length) {
    if (p < pattern.length && pattern[p] === "**") {
      starAt = p++;
      starTook = s;
    } else if (p < pattern.length && matchSegment(pattern[p] as string, path[s] as string)) {
      p++;
      s++;
    } else if (starAt !== -1) {
      p = starAt + 1;
      s = ++starTook;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern[p] === "**") p++;
  return p === pattern.length;
}

function matchSegment(pattern: string, text: string): boolean {
  if (pattern.indexOf("*") === -1) return text === pattern;
  const parts = pattern.split("*");
  const first = parts[0] as string;
  const last = parts[parts.length - 1] as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let pos = first.length;
  for (let i = 1; i < parts.length - 1; i++) {
    const found = text.indexOf(parts[i] as string, pos);
    if (found === -1) return false;
    pos = found + (parts[i] as string).length;
  }
  return pos <= text.length - last.length;
}
