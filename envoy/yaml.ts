/**
 * YAML as templates: the generator's files read like what they print, comments included, and the output is stable to the
 * byte. Everything that comes from outside goes through `quoted`.
 */

const EMPTY = "\u0000"; // where an interpolated block was empty; no YAML holds it

/**
 * Template tag: takes off the indentation of the first line, indents an interpolated block to the column it stands at,
 * drops a line on which only an empty block stood, and leaves no two empty lines together. Backslashes are literal.
 */
export function yaml(strings: TemplateStringsArray, ...values: (string | number)[]): string {
  const first = strings.raw[0] as string;
  const margin = /^\n( *)/.exec(first)?.[0] ?? "\n";
  let out = "";
  for (const [i, part] of strings.raw.entries()) {
    out += part.split(margin).join("\n");
    if (i < values.length) out += indented(String(values[i]), out.length - out.lastIndexOf("\n") - 1);
  }
  return out
    .replace(/\n *\0(?=\n|$)/g, "")
    .replace(/^\n|\s+$|\0/g, "")
    .replace(/\n{3,}/g, "\n\n");
}

function indented(block: string, columns: number): string {
  if (block === "") return EMPTY;
  return block.replace(/\n(?=[^\n])/g, `\n${" ".repeat(columns)}`);
}

/** A text as a quoted scalar: single quotes leave a pattern's backslashes alone, JSON's escapes take the rest. */
export function quoted(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? `'${text.replaceAll("'", "''")}'` : escaped(text);
}

/** A text for use inside a comment: on one line, whatever it holds. */
export function oneLine(text: string): string {
  return escaped(text).slice(1, -1).replaceAll('\\"', '"');
}

// JSON leaves some characters alone that end a line in YAML, or that Envoy's parser refuses.
function escaped(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Blocks one below the other; empty ones leave no gap. */
export function lines(blocks: readonly string[]): string {
  return blocks.filter((block) => block !== "").join("\n");
}
