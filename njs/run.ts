/** The file linked for one request, and what its sections say of a message. */

import type { Ports } from "../engine/core/ports.ts";
import { matchRoute } from "../engine/core/routes/match.ts";
import { acceptsMedia, isUtf8Charset } from "../engine/core/routes/media-type.ts";
import { type Reply, replyBody } from "../engine/core/routes/reply.ts";
import {
  faulted,
  type LinkedRoute,
  type LinkedSection,
  passed,
  toldDetail,
  treat,
  treatBodyless,
  type Verdict,
} from "../engine/core/routes/section.ts";
import type { NjsFile } from "./file.ts";
import { httpContext } from "./http-context.ts";
import type { NginxRequest } from "./nginx.ts";
import { newPorts } from "./ports.ts";
import { type Head, requestLine } from "./request-line.ts";

export type Run = { r: NginxRequest; file: NjsFile; ports: Ports };

export function newRun(file: NjsFile, r: NginxRequest): Run {
  return { r, file, ports: newPorts(file, r) };
}

/** The exchange's route; undefined: none. nginx knows it of usual requests (nginx/usual-routes.ts). */
export function routeOf(run: Run): LinkedRoute | undefined {
  const usual = run.r.variables.agglo_usual;
  const route = run.file.routes[usual === undefined || usual === "" ? matchedRoute(run) : usual];
  return route === undefined ? undefined : route(run.ports);
}

/** Matched once, on the request's line, and kept in a variable of nginx. */
function matchedRoute(run: Run): string {
  const variables = run.r.variables;
  const found = variables.agglo_route;
  if (found !== undefined && found !== "") return found;
  const name = `r${matchRoute(run.file.matches(), requestLine(run.r))}`; // r-1: none
  variables.agglo_route = name;
  return name;
}

/** The verdict that the headers alone allow; undefined: the body is needed. */
export function beforeBody(section: LinkedSection, head: Head): Verdict | undefined {
  const plan = section.plan;
  const type = head.contentType;
  if (type === undefined || !acceptsMedia(plan.contentTypes, type) || !isUtf8Charset(type)) {
    return faulted(section, "contentType", "the content type is none of the section's");
  }
  if (head.coding !== undefined && head.coding !== "" && head.coding.toLowerCase() !== "identity") {
    return faulted(section, "unparsable", "nginx reads no coded bodies");
  }
  return Number(head.length ?? 0) > plan.limits.bodyBytes ? tooLarge(section) : undefined;
}

export function tooLarge(section: LinkedSection): Verdict {
  return faulted(section, "tooLarge", `the body is larger than ${section.plan.limits.bodyBytes} bytes`);
}

export function withoutBody(run: Run, section: LinkedSection, route: string): Verdict {
  if (!section.plan.bodyless) return passed(section);
  try {
    // Nothing in nginx waits.
    return treatBodyless(section, contextOf(run, section, route)) as Verdict;
  } catch (error) {
    return broken(run, section, error);
  }
}

export function treatBytes(
  run: Run,
  section: LinkedSection,
  route: string,
  bytes: Buffer,
  contentType: string,
): Verdict {
  if (bytes.length > section.plan.limits.bodyBytes) return tooLarge(section);
  const text = bytes.toString("utf8");
  if (!isUtf8(text, bytes)) return faulted(section, "unparsable", "not valid UTF-8");
  return treatText(run, section, route, text, contentType);
}

/** Whether `text` is what the bytes say: of what is no UTF-8 a replacement character stands in it. */
export function isUtf8(text: string, bytes: Buffer): boolean {
  return text.indexOf("\ufffd") === -1 || Buffer.from(text, "utf8").equals(bytes);
}

export function treatText(run: Run, section: LinkedSection, route: string, text: string, contentType: string): Verdict {
  try {
    return treat(section, text, contextOf(run, section, route), contentType) as Verdict;
  } catch (error) {
    return broken(run, section, error);
  }
}

// A pattern that gave up, a value nested deeper than the engine prints, a key that is not set; or our own bug.
export function broken(run: Run, section: LinkedSection, error: unknown): Verdict {
  run.r.error(`agglo: ${error}`);
  return faulted(section, "error", "the engine gave up");
}

export function contextOf(run: Run, section: LinkedSection, route: string): ReturnType<typeof httpContext> | undefined {
  return section.plan.readsHttp ? httpContext(section.plan.direction, route, run.r) : undefined;
}

/** Counts a verdict, and leaves it where nginx can log it. */
export function observe(run: Run, route: string, section: LinkedSection, verdict: Verdict): void {
  const direction = section.plan.direction;
  if (run.file.zones !== undefined) countVerdict(run, `${route}|${direction}|`, verdict);
  if (verdict.kind === "passed" || verdict.kind === "changed") return;
  const rule = verdict.kind === "faulted" ? verdict.reason : (verdict.reply?.rule ?? "");
  run.r.variables.agglo_verdict = `${route} ${direction} ${verdict.kind} ${rule}`;
}

function countVerdict(run: Run, label: string, verdict: Verdict): void {
  const counters = run.ports.counters;
  counters.add("messages", label + verdict.kind, 1);
  if (verdict.kind === "faulted") counters.add("faults", label + verdict.reason, 1);
  if (verdict.would !== undefined) counters.add("would", label + verdict.would.kind, 1);
}

export function answer(r: NginxRequest, verdict: Verdict, reply: Reply): void {
  r.headersOut["Content-Type"] = reply.contentType;
  for (let i = 0; i < reply.headers.length; i++) {
    const header = reply.headers[i] as Reply["headers"][number];
    r.headersOut[header.name] = header.value;
  }
  r.return(reply.status, replyBody(reply, toldDetail(verdict)));
}
