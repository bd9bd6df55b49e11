/** exchange x routes x runtime: finds the route of an exchange, and makes of its sections' verdicts the decisions. */

import type { FaultReason } from "../engine/core/outcome.ts";
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { matchRoute } from "../engine/core/routes/match.ts";
import { bufferBytes, ROUTE_MARK, routeMark } from "../engine/core/routes/needs.ts";
import { type Reply, replyBody } from "../engine/core/routes/reply.ts";
import {
  faulted,
  type LinkedRoute,
  type LinkedSection,
  passed,
  treat,
  type Verdict,
} from "../engine/core/routes/section.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type Decision, type Direction, Exchange, newDecision, type Treatment } from "./exchange/exchange.ts";
import { headerValue } from "./exchange/headers.ts";
import { httpContext, type RequestFacts, readRequestFacts } from "./http-context.ts";
import { acceptsMedia, isUtf8Charset } from "./media-type.ts";
import { BodyMode, type HeaderSet, immediateAnswer } from "./messages/messages.ts";
import type { Accept } from "./transport.ts";

/** Accepts ext_proc calls for a runtime. */
export function acceptExchanges(runtime: Runtime): Accept {
  return (call, metadata) => new Exchange(call, new RoutedTreatment(runtime, metadata(ROUTE_MARK)));
}

const PASS = newDecision("pass");

class RoutedTreatment implements Treatment {
  private readonly runtime: Runtime;
  /** undefined: not known yet, or none */
  private route: LinkedRoute | undefined;
  private request: RequestFacts | undefined;
  private responseHeaders: readonly string[] | undefined;

  constructor(runtime: Runtime, mark: string | undefined) {
    this.runtime = runtime;
    if (mark !== undefined) this.route = this.markedRoute(mark);
  }

  // Envoy's own configuration names the route: nothing to match, and no client can forge it.
  private markedRoute(mark: string): LinkedRoute | undefined {
    const name = mark.slice(0, mark.lastIndexOf("@"));
    const route = this.runtime.routes.find((known) => known.plan.name === name);
    if (route === undefined || routeMark(route.plan) !== mark) this.runtime.mismatchedMark(mark);
    return route;
  }

  recvHeaders(direction: Direction, headers: readonly string[], endOfStream: boolean, bodyMode: number): Decision {
    if (direction === "request") {
      this.request = readRequestFacts(headers);
      this.route ??= this.matchedRoute(headers);
    } else {
      this.responseHeaders = headers;
    }
    const section = this.section(direction);
    if (section === undefined) return this.unbound(direction);
    const verdict = this.beforeBody(section, headers, endOfStream, bodyMode);
    const decision = verdict === undefined ? newDecision("readBody") : this.decide(section, verdict);
    return withoutCoding(decision, this.route, direction);
  }

  recvBody(direction: Direction, body: Uint8Array): Decision | Promise<Decision> {
    const section = this.section(direction);
    if (section === undefined) return PASS;
    const headers = direction === "request" ? this.request?.headers : this.responseHeaders;
    if (headers === undefined) {
      return this.decide(section, faulted(section, "error", "the proxy sends the body without its headers"));
    }
    if (body.length === 0) return this.decide(section, passed(section));
    if (body.length > section.plan.limits.bodyBytes) return this.decide(section, tooLarge(section));
    const text = this.runtime.decodeUtf8(body);
    if (text === undefined) return this.decide(section, faulted(section, "unparsable", "not valid UTF-8"));
    const route = this.route?.plan.name ?? "";
    const http = section.plan.readsHttp ? httpContext(direction, route, this.request, this.responseHeaders) : undefined;
    const verdict = treat(section, text, http);
    if (verdict instanceof Promise) return verdict.then((settled) => this.decide(section, settled));
    return this.decide(section, verdict);
  }

  closed(): void {}

  private matchedRoute(headers: readonly string[]): LinkedRoute | undefined {
    const facts = this.request as RequestFacts; // recvHeaders has just read it
    const index = matchRoute(this.runtime.routes, {
      method: facts.method,
      path: facts.path,
      host: facts.host,
      header: (name) => headerValue(headers, name),
    });
    return this.runtime.routes[index];
  }

  private section(direction: Direction): LinkedSection | undefined {
    return direction === "request" ? this.route?.request : this.route?.response;
  }

  // A message that no section treats; a request still prepares the response that one will.
  private unbound(direction: Direction): Decision {
    if (this.route === undefined || direction === "response") return PASS;
    return withoutCoding(newDecision("pass"), this.route, direction);
  }

  /** The verdict that the headers alone allow; undefined: the body is needed. */
  private beforeBody(
    section: LinkedSection,
    headers: readonly string[],
    endOfStream: boolean,
    bodyMode: number,
  ): Verdict | undefined {
    const plan = section.plan;
    if (plan.direction === "response" && !matchesStatus(plan.statuses, headers)) return passed(section);
    if (endOfStream || section.pipelines.length === 0) return passed(section);
    if (headerValue(headers, ":status") === "206" && plan.guards) {
      return faulted(section, "unparsable", "a part of a body cannot be treated");
    }
    const type = headerValue(headers, "content-type");
    if (type === undefined || !acceptsMedia(plan.contentTypes, type) || !isUtf8Charset(type)) {
      return faulted(section, "contentType", "the content type is none of the section's");
    }
    const coding = headerValue(headers, "content-encoding");
    if (coding !== undefined && coding !== "identity") return faulted(section, "unparsable", "the body is compressed");
    if (Number(headerValue(headers, "content-length") ?? 0) > plan.limits.bodyBytes) {
      return tooLarge(section);
    }
    if (bodyMode === BodyMode.BUFFERED) return undefined;
    this.runtime.missingMode(this.route?.plan.name ?? "", plan.direction);
    return faulted(section, "error", "the proxy does not send the body");
  }

  private decide(section: LinkedSection, verdict: Verdict): Decision {
    const body = verdict.text === undefined ? undefined : this.runtime.encodeUtf8(verdict.text);
    const bytesMax = bufferBytes(section.plan.limits.bodyBytes);
    if (body !== undefined && body.length > bytesMax) {
      return this.decide(section, faulted(section, "tooLarge", `the body would become larger than ${bytesMax} bytes`));
    }
    const route = this.route?.plan.name ?? "";
    this.runtime.observe(route, section.plan.direction, verdict);
    const decision =
      verdict.reply === undefined ? this.goOn(section, verdict, body) : this.reply(verdict, verdict.reply);
    decision.metadata = { agglo: { route, verdict: verdict.kind, rule: verdict.reply?.rule ?? "" } };
    return decision;
  }

  private goOn(section: LinkedSection, verdict: Verdict, body: Uint8Array | undefined): Decision {
    const decision = newDecision(body === undefined ? "pass" : "replace");
    decision.body = body;
    for (const header of verdict.setHeaders) decision.setHeaders.push(headerSet(header));
    // A fault that passes leaves the message as it came, headers too.
    if (verdict.kind !== "faulted") decision.removeHeaders = section.plan.removeHeaders;
    return decision;
  }

  private reply(verdict: Verdict, reply: Reply): Decision {
    const headers: HeaderSet[] = [{ name: "content-type", value: reply.contentType, append: false }];
    for (const header of reply.headers) headers.push(headerSet(header));
    const body = this.runtime.encodeUtf8(replyBody(reply, TOLD.includes(verdict.reason) ? verdict.detail : ""));
    const decision = newDecision("reply");
    decision.reply = immediateAnswer(reply.status, headers, body, `agglo_${verdict.kind}{${reply.rule}}`);
    if (reply.grpcStatus !== -1) decision.reply.grpcStatus = reply.grpcStatus;
    return decision;
  }
}

/** Faults of the message itself, whose detail the client may read; the others would tell of the configuration. */
const TOLD: readonly FaultReason[] = ["contentType", "unparsable", "ambiguous", "tooLarge"];

function tooLarge(section: LinkedSection): Verdict {
  return faulted(section, "tooLarge", `the body is larger than ${section.plan.limits.bodyBytes} bytes`);
}

// Where the response is to be rewritten it must come uncoded and whole: simpler than undoing it (engine.md).
function withoutCoding(decision: Decision, route: LinkedRoute | undefined, direction: Direction): Decision {
  if (direction === "response" || (route?.response?.pipelines.length ?? 0) === 0) return decision;
  decision.removeHeaders = decision.removeHeaders.concat(["accept-encoding", "range", "if-range"]);
  return decision;
}

// Header values leave as UTF-8 bytes, one latin1 character per byte.
function headerSet(header: HeaderValue): HeaderSet {
  return { name: header.name, value: Buffer.from(header.value, "utf8").toString("latin1"), append: false };
}

function matchesStatus(statuses: readonly string[], headers: readonly string[]): boolean {
  const status = headerValue(headers, ":status") ?? "";
  return statuses.length === 0 || statuses.some((wanted) => wanted === status || wanted === `${status.charAt(0)}xx`);
}
