/** exchange x routes x runtime: finds the route of an exchange, and makes of its sections' verdicts the decisions. */

import type { JsonObject } from "../engine/core/event/json.ts";
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { matchRoute } from "../engine/core/routes/match.ts";
import { acceptsMedia, isUtf8Charset } from "../engine/core/routes/media-type.ts";
import { bufferBytes, ROUTE_MARK } from "../engine/core/routes/needs.ts";
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
import { matchesStatus } from "../engine/core/routes/status.ts";
import { type Coding, type CodingFault, codingOf, decodeBody, encodeBody } from "../engine/runtime/codings.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { type Decision, type Direction, Exchange, newDecision, type Treatment } from "./exchange/exchange.ts";
import { headerValue } from "./exchange/headers.ts";
import { httpContext, type RequestFacts, readRequestFacts } from "./http-context.ts";
import { encodeMetadata } from "./messages/codec.ts";
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
    const marked = this.runtime.routesByMark.get(mark);
    if (marked !== undefined) return marked;
    this.runtime.mismatchedMark(mark);
    const name = mark.slice(0, mark.lastIndexOf("@"));
    return this.runtime.routes.find((known) => known.plan.name === name);
  }

  recvHeaders(
    direction: Direction,
    headers: readonly string[],
    endOfStream: boolean,
    bodyMode: number,
  ): Decision | Promise<Decision> {
    if (direction === "request") {
      this.request = readRequestFacts(headers);
      this.route ??= this.matchedRoute(headers);
    } else {
      this.responseHeaders = headers;
    }
    const section = this.section(direction);
    if (section === undefined) return this.unbound(direction);
    const verdict = this.beforeBody(section, headers, endOfStream, bodyMode);
    if (verdict === undefined) return withoutCoding(newDecision("readBody"), this.route, direction);
    const decide = (settled: Verdict) => withoutCoding(this.decide(section, settled, undefined), this.route, direction);
    return verdict instanceof Promise ? verdict.then(decide) : decide(verdict);
  }

  recvBody(direction: Direction, body: Uint8Array): Decision | Promise<Decision> {
    const section = this.section(direction);
    if (section === undefined) return PASS;
    const headers = direction === "request" ? this.request?.headers : this.responseHeaders;
    if (headers === undefined) {
      return this.decide(section, faulted(section, "error", "the proxy sends the body without its headers"), undefined);
    }
    if (body.length === 0) {
      const verdict = this.withoutBody(section);
      const decide = (settled: Verdict) => this.decide(section, settled, undefined);
      return verdict instanceof Promise ? verdict.then(decide) : decide(verdict);
    }
    if (body.length > section.plan.limits.bodyBytes) return this.decide(section, tooLarge(section), undefined);
    const coding = codingOf(headerValue(headers, "content-encoding"));
    if (coding === undefined) return this.decide(section, unknownCoding(section), undefined);
    if (coding === "identity") return this.recvContent(section, headers, body, coding);
    const content = decodeBody(coding, body, section.plan.limits.decodedBytes);
    if (!(content instanceof Promise)) return this.recvContent(section, headers, content, coding);
    return content.then((settled) => this.recvContent(section, headers, settled, coding));
  }

  /** The body without its coding, or why it has none. */
  private recvContent(
    section: LinkedSection,
    headers: readonly string[],
    content: Uint8Array | CodingFault,
    coding: Coding | "identity",
  ): Decision | Promise<Decision> {
    const { decodedBytes } = section.plan.limits;
    if (content === "unparsable") {
      return this.decide(section, faulted(section, "unparsable", `the body is not valid ${coding}`), undefined);
    }
    if (content === "tooLarge" || content.length > decodedBytes) {
      const detail = `the body's content is larger than ${decodedBytes} bytes`;
      return this.decide(section, faulted(section, "tooLarge", detail), undefined);
    }
    const text = this.runtime.decodeUtf8(content);
    if (text === undefined) return this.decide(section, faulted(section, "unparsable", "not valid UTF-8"), undefined);
    const contentType = headerValue(headers, "content-type") ?? "";
    const verdict = treat(section, text, this.http(section), contentType);
    if (verdict instanceof Promise) return verdict.then((settled) => this.encoded(section, settled, coding));
    return this.encoded(section, verdict, coding);
  }

  private encoded(section: LinkedSection, verdict: Verdict, coding: Coding | "identity"): Decision | Promise<Decision> {
    if (verdict.text === undefined) return this.decide(section, verdict, undefined);
    const content = this.runtime.encodeUtf8(verdict.text);
    const body = coding === "identity" ? content : encodeBody(coding, content);
    if (!(body instanceof Promise)) return this.decide(section, verdict, body);
    return body.then((settled) => this.decide(section, verdict, settled));
  }

  private http(section: LinkedSection): JsonObject | undefined {
    if (!section.plan.readsHttp) return undefined;
    return httpContext(section.plan.direction, this.route?.plan.name ?? "", this.request, this.responseHeaders);
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
  ): Verdict | Promise<Verdict> | undefined {
    const plan = section.plan;
    if (plan.direction === "response" && !matchesStatus(plan.statuses, Number(headerValue(headers, ":status") ?? 0)))
      return passed(section);
    if (section.pipelines.length === 0) return passed(section);
    if (endOfStream) return this.withoutBody(section);
    if (headerValue(headers, ":status") === "206" && plan.guards) {
      return faulted(section, "unparsable", "a part of a body cannot be treated");
    }
    const type = headerValue(headers, "content-type");
    if (type === undefined || !acceptsMedia(plan.contentTypes, type) || !isUtf8Charset(type)) {
      return faulted(section, "contentType", "the content type is none of the section's");
    }
    // Said once more with the body: here it saves reading it.
    if (codingOf(headerValue(headers, "content-encoding")) === undefined) return unknownCoding(section);
    if (Number(headerValue(headers, "content-length") ?? 0) > plan.limits.bodyBytes) {
      return tooLarge(section);
    }
    if (bodyMode === BodyMode.BUFFERED) return undefined;
    this.runtime.missingMode(this.route?.plan.name ?? "", plan.direction);
    return faulted(section, "error", "the proxy does not send the body");
  }

  private withoutBody(section: LinkedSection): Verdict | Promise<Verdict> {
    return section.plan.bodyless ? treatBodyless(section, this.http(section)) : passed(section);
  }

  /** `body`: the bytes of the verdict's text, coded as the message says. */
  private decide(section: LinkedSection, verdict: Verdict, body: Uint8Array | undefined): Decision {
    const bytesMax = bufferBytes(section.plan.limits.bodyBytes);
    if (body !== undefined && body.length > bytesMax) {
      const detail = `the body would become larger than ${bytesMax} bytes`;
      return this.decide(section, faulted(section, "tooLarge", detail), undefined);
    }
    const route = this.route?.plan.name ?? "";
    this.runtime.observe(route, section.plan.direction, verdict);
    const decision =
      verdict.reply === undefined ? this.goOn(section, verdict, body) : this.reply(verdict, verdict.reply);
    decision.metadata =
      verdict.reply === undefined
        ? metadataOf(section, route, verdict.kind)
        : { agglo: { route, verdict: verdict.kind, rule: verdict.reply.rule } };
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
    const body = this.runtime.encodeUtf8(replyBody(reply, toldDetail(verdict)));
    const decision = newDecision("reply");
    decision.reply = immediateAnswer(reply.status, headers, body, `agglo_${verdict.kind}{${reply.rule}}`);
    if (reply.grpcStatus !== -1) decision.reply.grpcStatus = reply.grpcStatus;
    return decision;
  }
}

/** The metadata of messages that go on: the same every time, so encoded once. */
const encodedMetadata = new WeakMap<LinkedSection, { [kind in Verdict["kind"]]?: Uint8Array }>();

function metadataOf(section: LinkedSection, route: string, kind: Verdict["kind"]): Uint8Array {
  let kinds = encodedMetadata.get(section);
  if (kinds === undefined) {
    kinds = {};
    encodedMetadata.set(section, kinds);
  }
  kinds[kind] ??= encodeMetadata({ agglo: { route, verdict: kind, rule: "" } });
  return kinds[kind];
}

function tooLarge(section: LinkedSection): Verdict {
  return faulted(section, "tooLarge", `the body is larger than ${section.plan.limits.bodyBytes} bytes`);
}

function unknownCoding(section: LinkedSection): Verdict {
  return faulted(section, "unparsable", "the content coding is none of gzip, deflate, br and zstd, or several");
}

// Where the response is to be rewritten it should come uncoded and whole: simpler than undoing it (engine.md).
function withoutCoding(decision: Decision, route: LinkedRoute | undefined, direction: Direction): Decision {
  if (direction === "response" || (route?.response?.pipelines.length ?? 0) === 0) return decision;
  decision.removeHeaders = decision.removeHeaders.concat(["accept-encoding", "range", "if-range"]);
  return decision;
}

// Header values leave as UTF-8 bytes, one latin1 character per byte.
function headerSet(header: HeaderValue): HeaderSet {
  return { name: header.name, value: Buffer.from(header.value, "utf8").toString("latin1"), append: false };
}
