/** What a section writes beside the body of the message it treated: headers and metadata (http.md, "Headers", "Metadata"). */
import type { Event } from "../event/event.ts";
import { isRawNumber, type JsonObject, newObject, setOwn, withDoubles } from "../event/json.ts";
import { compilePath, lookup } from "../event/path.ts";
import { stringify } from "../event/write.ts";
import { headerValueError } from "./header.ts";
import type { HeaderWrite, MetadataWrite, SectionPlan } from "./route.ts";

/** One header to set; text, to be sent as UTF-8. */
export type HeaderValue = { name: string; value: string };

/**
 * Reads the values of `writes` after an event has run (undefined: a message without one) into `values`; of several
 * events the last one that has a value wins. "" or why a value cannot stand in a header.
 */
export function readHeaderWrites(
  writes: readonly HeaderWrite[],
  event: Event | undefined,
  values: HeaderValue[],
): string {
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i] as HeaderWrite;
    let value = write.value;
    if (write.reference !== "") {
      const found = event === undefined ? undefined : lookup(event, compilePath(write.reference));
      if (found === undefined || found === null) continue;
      value = typeof found === "string" ? found : isRawNumber(found) ? found.text : stringify(found);
      const error = headerValueError(value);
      if (error !== "") return `header "${write.name}" ${error}`;
    }
    put(values, write.name, value);
  }
  return "";
}

function put(values: HeaderValue[], name: string, value: string): void {
  for (let i = 0; i < values.length; i++) {
    const known = values[i] as HeaderValue;
    if (known.name !== name) continue;
    known.value = value;
    return;
  }
  values.push({ name, value });
}

/** Names of the headers that a section sets or removes, each once, in an order that does not change. */
export function writtenHeaders(plan: SectionPlan): string[] {
  const names: string[] = [];
  for (let i = 0; i < plan.setHeaders.length; i++) names.push((plan.setHeaders[i] as HeaderWrite).name);
  for (let i = 0; i < plan.removeHeaders.length; i++) {
    const name = plan.removeHeaders[i] as string;
    if (names.indexOf(name) === -1) names.push(name);
  }
  return names;
}

/** Longer texts are left out: metadata stay with the exchange in the proxy, and a client may choose how long they are. */
const METADATA_CHARS_MAX = 4096;

/** Adds to `metadata` what `writes` find after an event; of several events the last one that has a value wins. */
export function readMetadata(
  writes: readonly MetadataWrite[],
  event: Event,
  metadata: JsonObject | undefined,
): JsonObject | undefined {
  let found = metadata;
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i] as MetadataWrite;
    const value = lookup(event, compilePath(write.reference));
    if (value === undefined) continue;
    if (stringify(value).length > METADATA_CHARS_MAX) continue;
    found = found ?? newObject();
    setOwn(found, write.key, isRawNumber(value) ? value.text : withDoubles(value));
  }
  return found;
}
