/**
 * Path globs of routes: `*` is anything within one segment, `**` any number of whole segments, none included, so
 * `/orders/**` is `/orders`, `/orders/` and everything below. envoy/patterns.ts writes the same as RE2 patterns for Envoy; a
 * test holds the two against each other.
 */
import { matchSegments } from "./segments.ts";

export type PathGlob = {
  text: string;
  /** between the slashes; the first slash is not counted */
  segments: string[];
  /** the usual glob, `/orders/**`: what must stand in front, whole segments; "" for any other */
  prefix: string;
};

export function compileGlob(text: string): PathGlob {
  const path = decodeEscapes(text);
  const prefix = path.slice(0, -"/**".length);
  const isPrefix = path.endsWith("/**") && prefix.length > 1 && prefix.indexOf("*") === -1;
  return { text, segments: path.slice(1).split("/"), prefix: isPrefix ? prefix : "" };
}

/** Whether a normalised path (normalizePath) matches. */
export function matchesGlob(glob: PathGlob, path: string): boolean {
  const prefix = glob.prefix;
  if (prefix !== "")
    return path.startsWith(prefix) && (path.length === prefix.length || path.charAt(prefix.length) === "/");
  return matchSegments(glob.segments, path.slice(1).split("/"));
}

/**
 * The path as a lenient upstream may understand it: no query, escapes decoded, backslash as slash, no `;parameters`, no
 * empty, `.` or `..` segments. Matching on this keeps `/%6frders`, `//orders`, `/x/..;/orders` and `/x/../orders` from
 * slipping past a rule. (Generated Envoy configurations normalise the path themselves; this is for those written by hand.)
 */
export function normalizePath(target: string): string {
  if (!NEEDS_WORK.test(target)) return target;
  const raw = (target.split("?")[0] as string).split("#")[0] as string;
  const segments = decodeEscapes(raw).split("\\").join("/").split("/");
  const kept: string[] = [];
  for (let i = 1; i < segments.length; i++) {
    const isLast = i === segments.length - 1;
    const segment = (segments[i] as string).split(";")[0] as string;
    if (segment === "..") kept.pop();
    if (segment !== ".." && segment !== "." && segment !== "") kept.push(segment);
    else if (isLast) kept.push("");
  }
  return `/${kept.join("/")}`;
}

const NEEDS_WORK = /[?#%;\\]|\/\/|\/\./;
const HEX_PAIR = /^[0-9a-fA-F]{2}/;

// Bytes that stand together are UTF-8 together; where they are none, each is taken for itself.
function decodeEscapes(text: string): string {
  const parts = text.split("%");
  let decoded = parts[0] as string;
  let run = "";
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string;
    if (!HEX_PAIR.test(part)) {
      decoded += `${decodeRun(run)}%${part}`;
      run = "";
      continue;
    }
    run += `%${part.slice(0, 2)}`;
    if (part.length === 2) continue;
    decoded += decodeRun(run) + part.slice(2);
    run = "";
  }
  return decoded + decodeRun(run);
}

function decodeRun(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch {
    let bytes = "";
    for (let i = 0; i < run.length; i += 3) bytes += String.fromCharCode(Number.parseInt(run.slice(i + 1, i + 3), 16));
    return bytes;
  }
}
