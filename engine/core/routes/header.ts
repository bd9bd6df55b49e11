/** What may stand in a header that a configuration writes (RFC 9110 section 5, RFC 9113 section 8.2). */

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** "" or what is wrong with a lower-case field name. */
export function headerNameError(name: string): string {
  return NAME.test(name) ? "" : "is no valid header name";
}

/** "" or what is wrong with a field value: CR, LF and NUL would end the header early; proxies refuse the other controls. */
export function headerValueError(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return "would hold a line break or another control character";
  }
  return "";
}

/** Names a section may not write: the proxy drops them, or they follow from the message (engine.md, "Security"). */
const REFUSED = [
  "content-length",
  "content-encoding",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "host",
];

/** "" or why a section may not set or remove this header. */
export function writeRefusedBecause(name: string): string {
  if (REFUSED.indexOf(name) !== -1) return "follows from the message or the connection";
  if (name.startsWith(":")) return "is a pseudo-header, which the proxy does not let through";
  if (name.startsWith("x-envoy-")) return "is Envoy's own and not let through";
  return headerNameError(name);
}
