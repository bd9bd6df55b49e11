/** Content types (RFC 9110 section 8.3): which ones a section takes. */

/** True when the media type of a content-type header is one of `types`; `application/*+json` matches by suffix. */
export function acceptsMedia(types: readonly string[], contentType: string): boolean {
  if (types.indexOf(contentType) !== -1) return true; // the usual spelling
  const media = (contentType.split(";")[0] as string).trim().toLowerCase();
  for (let i = 0; i < types.length; i++) {
    const type = types[i] as string;
    if (type === media) return true;
    const star = type.indexOf("*");
    if (star === -1) continue;
    const fits = media.startsWith(type.slice(0, star)) && media.endsWith(type.slice(star + 1));
    if (fits && media.length >= type.length) return true;
  }
  return false;
}

/**
 * False when the header names another charset than UTF-8 (or its subset ASCII). JSON is UTF-8 (RFC 8259 section 8.1); an
 * upstream that obeys `charset=utf-7` would read something else than the rules did.
 */
export function isUtf8Charset(contentType: string): boolean {
  if (contentType.indexOf(";") === -1) return true;
  const parameters = contentType.split(";");
  for (let i = 1; i < parameters.length; i++) {
    const pair = (parameters[i] as string).split("=");
    if ((pair[0] as string).trim().toLowerCase() !== "charset") continue;
    const charset = unquote((pair[1] ?? "").trim()).toLowerCase();
    if (charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") return false;
  }
  return true;
}

function unquote(text: string): string {
  const start = text.charAt(0) === '"' ? 1 : 0;
  const end = text.length > start && text.charAt(text.length - 1) === '"' ? text.length - 1 : text.length;
  return text.slice(start, end);
}
