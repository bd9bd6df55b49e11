/**
 * Finds what looks like personal data, wherever in a text it stands. Checksums decide where the format has one, and every
 * scanner is linear. What is found is certain enough to be covered, never complete: a name has no format.
 */
import { findEmails, findIpv4s, findIpv6s } from "./addresses.ts";
import { findIbans } from "./iban.ts";
import { findJwts } from "./jwt.ts";
import { findPans, findPhones, findSsns } from "./numbers.ts";

/** What can be looked for. No `uuid`: it names things, and hides none. */
export const DETECTORS = ["email", "pan", "iban", "ipv4", "ipv6", "jwt", "phone", "ssn-us"] as const;
export type Detector = (typeof DETECTORS)[number];

const SCANNERS: { readonly [name in Detector]: (text: string, spans: number[]) => void } = {
  email: findEmails,
  pan: findPans,
  iban: findIbans,
  ipv4: findIpv4s,
  ipv6: findIpv6s,
  jwt: findJwts,
  phone: findPhones,
  "ssn-us": findSsns,
};

/** text[start, end); `detector` is "" where finds of several overlap and are one. */
export type Find = { start: number; end: number; detector: Detector | "" };

/** Everything that the detectors find, in order and apart from each other. */
export function detect(detectors: readonly Detector[], text: string): Find[] {
  const finds: Find[] = [];
  for (let i = 0; i < detectors.length; i++) {
    const detector = detectors[i] as Detector;
    const spans: number[] = [];
    SCANNERS[detector](text, spans);
    for (let j = 0; j < spans.length; j += 2)
      finds.push({ start: spans[j] as number, end: spans[j + 1] as number, detector });
  }
  return finds.length < 2 ? finds : merged(finds.sort(byStart));
}

function byStart(a: Find, b: Find): number {
  return a.start - b.start;
}

function merged(finds: readonly Find[]): Find[] {
  const apart: Find[] = [];
  for (let i = 0; i < finds.length; i++) {
    const find = finds[i] as Find;
    const last = apart[apart.length - 1];
    if (last === undefined || find.start >= last.end) {
      apart.push(find);
      continue;
    }
    if (find.detector !== last.detector || find.start !== last.start) last.detector = "";
    if (find.end > last.end) last.end = find.end;
  }
  return apart;
}

/** A find in the one form that all its spellings share, so that equal numbers stay equal under an HMAC. */
export function canonical(find: Find, text: string): string {
  const found = text.slice(find.start, find.end);
  if (find.detector === "pan") return found.split(/\D+/).join("");
  return find.detector === "iban" ? found.split(/[ -]+/).join("").toUpperCase() : found;
}
