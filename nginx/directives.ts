/** The pieces that nginx configurations are made of: quoting, blocks, comments. */

/** A parameter in double quotes. No `$`: nginx has no way to quote one. */
export function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A regular expression as a parameter: its backslashes are its own. */
export function quotedPattern(pattern: string): string {
  return `"${pattern.replaceAll('"', "\\x22")}"`;
}

/** `name { … }` around lines; empty ones stay. */
export function block(name: string, lines: readonly string[]): string[] {
  return [`${name} {`, ...lines.map((line) => (line === "" ? "" : `    ${line}`)), "}"];
}

export function comment(text: string): string[] {
  return text.split("\n").map((line) => `# ${line}`);
}
