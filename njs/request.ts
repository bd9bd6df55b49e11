/**
 * The gate in front of a route's upstream (js_content): reads the request, refuses it, or sends it on to the route's own
 * location, with another body where the pipelines made one.
 *
 *   agglo.request ──▶ answer | @agglo_NAME (bytes as they came) | @agglo_NAME_body ($agglo_body)
 *
 * js_content and not js_access: that one lets a request through when a handler fails, in njs before 1.0.1.
 */
import { type HeaderValue, writtenHeaders } from "../engine/core/routes/header-writes.ts";
import { type LinkedRoute, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import type { NjsFile } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";
import { headOf } from "./request-line.ts";
import {
  answer,
  beforeBody,
  newRun,
  observe,
  type Run,
  routeOf,
  tooLarge,
  treatBytes,
  treatText,
  withoutBody,
} from "./run.ts";

/** A promise where the response is fetched here (gateway). */
export function request(file: NjsFile, r: NginxRequest): Promise<void> | undefined {
  const run = newRun(file, r);
  const route = routeOf(run);
  if (route === undefined) {
    r.internalRedirect("@agglo_none");
    return undefined;
  }
  const section = route.request;
  if (section === undefined) return goOn(file, run, route, undefined);
  const verdict = verdictOf(run, section, route.plan.name);
  observe(run, route.plan.name, section, verdict);
  if (verdict.reply !== undefined) {
    answer(r, verdict, verdict.reply);
    return undefined;
  }
  writeHeaders(r, section, verdict);
  return goOn(file, run, route, verdict.text);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: where ASCII begins
const OUTSIDE_ASCII = /[^\x00-\x7f]/;

function verdictOf(run: Run, section: LinkedSection, route: string): Verdict {
  const r = run.r;
  if (section.pipelines.length === 0) return passed(section);
  const isInFile = (r.variables.request_body_file ?? "") !== "";
  const body = isInFile ? undefined : r.requestBuffer;
  if (!isInFile && (body === undefined || body.length === 0)) return withoutBody(run, section, route);
  const head = headOf(r);
  const early = beforeBody(section, head);
  if (early !== undefined) return early;
  // nginx keeps in memory what fits into the largest limit of all routes.
  if (body === undefined) return tooLarge(section);
  const text = r.requestText as string; // there where the buffer is
  const isSmall = body.length <= section.plan.limits.bodyBytes;
  // Reading UTF-8 from a buffer takes as long as parsing; of ASCII nginx has the text already.
  if (isSmall && !OUTSIDE_ASCII.test(text)) return treatText(run, section, route, text, head.contentType ?? "");
  return treatBytes(run, section, route, body, head.contentType ?? "");
}

/** Of a body that nginx refused to read (413): the route's own answer to what is too large. */
export function large(file: NjsFile, r: NginxRequest): void {
  const run = newRun(file, r);
  const route = routeOf(run);
  const section = route?.request;
  const verdict = section === undefined ? undefined : tooLarge(section);
  if (route !== undefined && section !== undefined && verdict?.reply !== undefined) {
    observe(run, route.plan.name, section, verdict);
    answer(r, verdict, verdict.reply);
  } else {
    r.return(413, "");
  }
}

// nginx sends on what these variables hold, and leaves out a header whose variable is empty.
function writeHeaders(r: NginxRequest, section: LinkedSection, verdict: Verdict): void {
  const names = writtenHeaders(section.plan);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const kept = r.headersIn[name] ?? "";
    const isRemoved = verdict.kind !== "faulted" && section.plan.removeHeaders.indexOf(name) !== -1;
    r.variables[`agglo_header_${i}`] = headerIn(verdict.setHeaders, name) ?? (isRemoved ? "" : kept);
  }
}

function headerIn(headers: readonly HeaderValue[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i++) if (headers[i]?.name === name) return headers[i]?.value;
  return undefined;
}

function goOn(file: NjsFile, run: Run, route: LinkedRoute, text: string | undefined): Promise<void> | undefined {
  if (route.plan.gateway && file.gateway !== undefined) return file.gateway(run, route, text);
  const location = `@agglo_${route.plan.name}`;
  if (text !== undefined) run.r.variables.agglo_body = text;
  run.r.internalRedirect(text === undefined ? location : `${location}_body`);
  return undefined;
}
