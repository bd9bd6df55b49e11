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

/** RFC 9110 section 8.6; -1 for none. Envoy has refused a message with two different ones. */
export function contentLengthOf(headers: readonly string[]): number {
  const text = headerValue(headers, "content-length");
  return text === undefined ? -1 : Number.parseInt(text, 10);
}

/** 1xx but not 101, which is the end of a response. */
export function isInformational(headers: readonly string[]): boolean {
  const status = headerValue(headers, ":status");
  return status?.startsWith("1") === true && status !== "101";
}

/** Headers that describe exactly the bytes a replaced body no longer has (engine.md, "Coding and validators"). */
const VALIDATORS = new Set([
  ...["etag", "last-modified", "accept-ranges"],
  ...["content-md5", "digest", "content-digest", "repr-digest"],
]);

/** Which of them a message has: removing what is not there costs Envoy all the same. */
export function validatorsIn(headers: readonly string[]): string[] {
  return namesIn(headers, (name) => VALIDATORS.has(name));
}

/** The same, and its length. */
export function bodyHeadersIn(headers: readonly string[]): string[] {
  return namesIn(headers, (name) => name === "content-length" || VALIDATORS.has(name));
}

function namesIn(headers: readonly string[], isWanted: (name: string) => boolean): string[] {
  const found: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (isWanted(headers[i] as string)) found.push(headers[i] as string);
  return found;
}
