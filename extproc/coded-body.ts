/** A body as it travels: its content coding undone, its section run on the content, and coded again (engine.md, "Coding"). */
import type { JsonObject } from "../engine/core/event/json.ts";
import { faulted, type LinkedSection, type Verdict } from "../engine/core/routes/section.ts";
import { type Coding, type CodingFault, codingOf, decodeBody, encodeBody } from "../engine/runtime/codings.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { unknownCoding } from "./admission.ts";
import { headerValue } from "./exchange/headers.ts";

/** What a section is told of a message beside its body. */
export type About = { headers: readonly string[]; http: JsonObject | undefined; traceparent: string };

/** The verdict, whose `bytes` are those of the new body as it travels. */
export function treatCoded(
  runtime: Runtime,
  section: LinkedSection,
  body: Uint8Array,
  about: About,
): Verdict | Promise<Verdict> {
  const coding = codingOf(headerValue(about.headers, "content-encoding"));
  if (coding === undefined) return unknownCoding(section);
  if (coding === "identity") return treatContent(runtime, section, body, about, coding);
  const content = decodeBody(coding, body, section.plan.limits.decodedBytes);
  if (!(content instanceof Promise)) return treatContent(runtime, section, content, about, coding);
  return content.then((settled) => treatContent(runtime, section, settled, about, coding));
}

/** `content`: the body without its coding, or why it has none. */
function treatContent(
  runtime: Runtime,
  section: LinkedSection,
  content: Uint8Array | CodingFault,
  about: About,
  coding: Coding | "identity",
): Verdict | Promise<Verdict> {
  const { decodedBytes } = section.plan.limits;
  if (content === "unparsable") return faulted(section, "unparsable", `the body is not valid ${coding}`);
  if (content === "tooLarge" || content.length > decodedBytes) {
    return faulted(section, "tooLarge", `the body's content is larger than ${decodedBytes} bytes`);
  }
  // What was decoded is held as long as it is treated; what was not is the body, which is accounted for already.
  const held = coding === "identity" ? 0 : content.length;
  if (held > 0 && !runtime.budget.tryTake("decoded", held)) return overload(section);
  const contentType = headerValue(about.headers, "content-type") ?? "";
  const verdict = runtime.treat(section, content, about.http, contentType, about.traceparent);
  if (held === 0) return verdict;
  const give = () => runtime.budget.give("decoded", held);
  if (verdict instanceof Promise) {
    return verdict.finally(give).then((settled) => encoded(settled, coding as Coding));
  }
  give();
  return encoded(verdict, coding as Coding);
}

function encoded(verdict: Verdict, coding: Coding): Verdict | Promise<Verdict> {
  if (verdict.bytes === undefined) return verdict;
  const coded = encodeBody(coding, verdict.bytes);
  if (!(coded instanceof Promise)) return withBytes(verdict, coded);
  return coded.then((settled) => withBytes(verdict, settled));
}

function withBytes(verdict: Verdict, bytes: Uint8Array): Verdict {
  verdict.bytes = bytes;
  return verdict;
}

export function overload(section: LinkedSection): Verdict {
  return faulted(section, "overload", "no memory is left for the body");
}
