/** A section on the bytes of a body: text in the core, UTF-8 outside. The same on the event loop and on a pool's thread. */
import { isUtf8 } from "node:buffer";
import type { JsonObject } from "../core/event/json.ts";
import { faulted, type LinkedSection, treat, type Verdict } from "../core/routes/section.ts";
import { inTime } from "./in-time.ts";

/** As `treat` (core/routes/section.ts); the verdict has the new body's `bytes` beside its text. */
export function treatContent(
  section: LinkedSection,
  content: Uint8Array,
  http: JsonObject | undefined,
  contentType: string,
  traceparent?: string,
): Verdict | Promise<Verdict> {
  const text = decodeUtf8(content);
  if (text === undefined) return faulted(section, "unparsable", "not valid UTF-8");
  const verdict = treat(section, text, http, contentType, traceparent);
  return verdict instanceof Promise ? inTime(section, verdict).then(encoded) : encoded(verdict);
}

function encoded(verdict: Verdict): Verdict {
  if (verdict.text !== undefined) verdict.bytes = encodeUtf8(verdict.text);
  return verdict;
}

/** undefined: not valid UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

export function encodeUtf8(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}
