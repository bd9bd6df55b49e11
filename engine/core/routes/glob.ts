/**
 * Path globs of routes: `*` is anything within one segment, `**` any number of whole segments, none included, so
 * `/orders/**` is `/orders`, `/orders/` and everything below. The same glob as an RE2 pattern goes into the Envoy
 * configuration (globPattern); a test holds the two against each other.
 */

export type PathGlob = {
  text: string;
  /** between the slashes; the first slash is not counted */
  segments: string[];
};

export function compileGlob(text: string): PathGlob {
  return { text, segments: text.slice(1).split("/") };
}

/** Whether a normalised path (normalizePath) matches. */
export function matchesGlob(glob: PathGlob, path: string): boolean {
  return matchSegments(glob.segments, path.slice(1).split("/"));
}

// Greedy with one way back, to the last "**": an earlier one never has to take more.
function matchSegments(pattern: readonly string[], path: readonly string[]): boolean {
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
  const parts = pattern.split("*");
  const first = parts[0] as string;
  if (parts.length === 1) return text === first;
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

/** The glob as an RE2 pattern for a whole path without query. */
export function globPattern(glob: PathGlob): string {
  let pattern = "";
  for (let i = 0; i < glob.segments.length; i++) {
    const segment = glob.segments[i] as string;
    if (segment === "**") pattern += "(/[^/]*)*";
    else pattern += `/${segment.split("*").map(quotePattern).join("[^/]*")}`;
  }
  return pattern;
}

export function quotePattern(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

/**
 * The path as a lenient upstream may understand it: no query, escapes decoded, backslash as slash, no empty, `.` or `..`
 * segments. Matching on this keeps `/%6frders`, `//orders` and `/x/../orders` from slipping past a rule. (Generated
 * Envoy configurations normalise the path itself; this is for those written by hand.)
 */
export function normalizePath(target: string): string {
  let end = target.length;
  for (let i = 0; i < target.length && end === target.length; i++) {
    const char = target.charAt(i);
    if (char === "?" || char === "#") end = i;
  }
  const raw = target.slice(0, end);
  if (raw.indexOf("%") === -1 && raw.indexOf("//") === -1 && raw.indexOf("/.") === -1 && raw.indexOf("\\") === -1)
    return raw;
  const segments = decodeEscapes(raw).split("\\").join("/").split("/");
  const kept: string[] = [];
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    if (segment === "..") kept.pop();
    else if (segment !== "." && (segment !== "" || i === segments.length - 1)) kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

const ESCAPE = /%([0-9a-fA-F]{2})/g;

function decodeEscapes(text: string): string {
  return text.replace(ESCAPE, decodeEscape);
}

function decodeEscape(_escape: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}
