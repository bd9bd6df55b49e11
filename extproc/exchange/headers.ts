/** Flat header lists (name, value, name, value…; values latin1) as ext_proc messages carry them. */

/** The value of a header by lower-case name, several joined by "," as Envoy's matchers see them; undefined: absent. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    value = value === undefined ? (headers[i + 1] as string) : `${value},${headers[i + 1]}`;
  }
  return value;
}
