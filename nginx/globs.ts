/** Path globs as PCRE patterns, of the kind that stands in a configuration of nginx. */
import type { PathGlob } from "../engine/core/routes/glob.ts";

/** `char`: what a `*` may stand for, one character of it. */
export function globPattern(glob: PathGlob, char: string): string {
  const segments = glob.segments.map((segment) =>
    segment === "**" ? `(?:/${char}*)*` : `/${segment.split("*").map(literalPattern).join(`${char}*`)}`,
  );
  return segments.join("");
}

/** Byte by byte: nginx compares bytes. */
export function literalPattern(text: string): string {
  let pattern = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const char = String.fromCharCode(byte);
    pattern += /[A-Za-z0-9_~-]/.test(char) ? char : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return pattern;
}
