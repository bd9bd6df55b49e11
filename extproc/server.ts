/** exchange x routes x runtime: finds the route of an exchange, and has its sections treat the messages. */
import type { JsonObject } from "../engine/core/event/json.ts";
import { type LinkedExchange, runExchange } from "../engine/core/routes/exchange.ts";
import { bufferBytes, holdsBody, ROUTE_MARK } from "../engine/core/routes/needs.ts";
import {
  faulted,
  type LinkedRoute,
  type LinkedSection,
  passed,
  treatBodyless,
  type Verdict,
} from "../engine/core/routes/section.ts";
import type { EnteredStream, Runtimes } from "../engine/runtime/generations.ts";
import { inTime, LATE_MS, POOL_WAIT_MS } from "../engine/runtime/in-time.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { admit, grpcVerdict, type Reading, tooLarge } from "./admission.ts";
import { overload, treatCoded } from "./coded-body.ts";
import { decisionOf } from "./decisions.ts";
import { Exchange } from "./exchange/exchange.ts";
import { bodyHeadersIn, headerValue } from "./exchange/headers.ts";
import { type Decision, type Delivery, type Direction, newDecision, type Treatment } from "./exchange/treatment.ts";
import { ExchangeRecord } from "./exchange-record.ts";
import { markedRoute, matchedRoute } from "./find-route.ts";
import { httpContext, type RequestFacts, readRequestFacts } from "./http-context.ts";
import { asksForTunnel, opensTunnel } from "./http-message.ts";
import { giveMemory, holdOnly, type MessageState, newMessageState, takeMemory } from "./message-state.ts";
import { NO_BYTES } from "./messages/messages.ts";
import {
  giveUpEvent,
  heldBytesOf,
  newPieceReader,
  type PieceReader,
  readPiece,
  takeBytes,
  verdictOf,
} from "./piece-reader.ts";
import type { Accept } from "./transport.ts";

/** Accepts ext_proc calls; each keeps to its end the runtime that it began with. */
export function acceptExchanges(runtimes: Runtimes): Accept {
  return (call, metadata) => {
    const treatment = new RoutedTreatment(runtimes, metadata(ROUTE_MARK));
    treatment.exchange = new Exchange(call, treatment);
    return treatment.exchange;
  };
}

const PASS = newDecision("pass");

class RoutedTreatment implements Treatment, EnteredStream {
  exchange: Exchange | undefined;
  private readonly runtimes: Runtimes;
  private readonly runtime: Runtime;
  /** undefined: not known yet, or none */
  private route: LinkedRoute | undefined;
  /** Envoy's configuration has named the route, so Envoy knows it */
  private named = false;
  private facts: RequestFacts | undefined;
  private readonly request = newMessageState();
  private readonly response = newMessageState();
  private over = false;
  /** where the route has pipelines for when the exchange is over */
  private record: ExchangeRecord | undefined;
  place = 0;

  constructor(runtimes: Runtimes, mark: string | undefined) {
    this.runtimes = runtimes;
    this.runtime = runtimes.enter(this);
    if (mark === undefined) return;
    const { route, known } = markedRoute(this.runtime, mark);
    this.route = route;
    this.named = known;
  }

  /** "": none is known */
  private get routeName(): string {
    return this.route?.plan.name ?? "";
  }

  private section(direction: Direction): LinkedSection | undefined {
    return direction === "request" ? this.route?.request : this.route?.response;
  }

  expects(direction: Direction): boolean {
    return this.section(direction) !== undefined || this.route?.exchange !== undefined;
  }

  // --- headers ----------------------------------------------------------------------------------------------------------

  recvHeaders(
    direction: Direction,
    headers: readonly string[] | undefined,
    endOfStream: boolean,
    delivery: Delivery,
  ): Decision | Promise<Decision> {
    if (headers === undefined) return this.headless(direction);
    const decision = this.decideHeaders(direction, headers, endOfStream, delivery);
    if (this.record === undefined) return decision;
    const watched = (settled: Decision) => this.watched(direction, settled, !endOfStream && delivery !== "none");
    return decision instanceof Promise ? decision.then(watched) : watched(decision);
  }

  private decideHeaders(
    direction: Direction,
    headers: readonly string[],
    endOfStream: boolean,
    delivery: Delivery,
  ): Decision | Promise<Decision> {
    this[direction].headers = headers;
    if (direction === "request") {
      this.facts = readRequestFacts(headers);
      this.route ??= matchedRoute(this.runtime, this.facts);
    }
    this.takeDown(direction, headers);
    const section = this.section(direction);
    if (section === undefined || this.isTunnel(direction, headers)) return this.unbound(direction);
    this.received(direction);
    const verdict = endOfStream ? this.withoutBody(section) : admit(section, headers, delivery);
    if (verdict instanceof Promise) return verdict.then((settled) => this.plain(section, settled));
    if (typeof verdict !== "string") return this.plain(section, verdict);
    return verdict === "missing" ? this.missing(this.route, section) : this.read(section, verdict, delivery);
  }

  private received(direction: Direction): void {
    this[direction].open = true;
    this.runtime.received(this.routeName, direction);
  }

  private isTunnel(direction: Direction, headers: readonly string[]): boolean {
    if (direction === "response") return opensTunnel(this.facts, headers);
    return this.facts !== undefined && asksForTunnel(this.facts);
  }

  // A message that no section treats; a request still prepares the response that one will.
  private unbound(direction: Direction): Decision {
    if (direction === "response" && this.route === undefined && this.facts === undefined)
      this.runtime.unmatchedResponse();
    if (this.route === undefined || direction === "response") return PASS;
    return this.prepared(direction, newDecision("pass"));
  }

  /** A verdict on a message whose body is not read. */
  private plain(section: LinkedSection, verdict: Verdict): Decision {
    const { direction, changesBody } = section.plan;
    const decision = this.prepared(direction, this.decide(section, verdict, undefined));
    // What a HEAD tells of the body is true of the one that the upstream has, not of the one a GET would bring.
    if (direction === "response" && changesBody && this.facts?.method === "HEAD") {
      decision.removeHeaders = decision.removeHeaders.concat(bodyHeadersIn(this.response.headers ?? []));
    }
    return decision;
  }

  private read(section: LinkedSection, reading: Reading, delivery: Delivery): Decision {
    const { direction, guards } = section.plan;
    const message = this[direction];
    message.reading = reading;
    const decision = newDecision("read");
    decision.holds = holdsBody(section.plan);
    decision.pieces = reading === "events";
    if (reading === "events") {
      const type = headerValue(message.headers ?? [], "content-type") ?? "";
      message.pieces = newPieceReader(section, type, this.http(section), this.traceparent(), inTime);
    }
    if (guards && (reading === "events" || delivery === "behind")) this.writeHeaders(section, decision);
    return this.prepared(direction, decision);
  }

  // Headers leave before the body, or its first event, is in: what they are to be is known, or it is not there (lint says so).
  private writeHeaders(section: LinkedSection, decision: Decision): void {
    const early = decisionOf(section, passed(section), undefined, this.told());
    decision.setHeaders = early.setHeaders;
    decision.removeHeaders = early.removeHeaders;
  }

  private missing(route: LinkedRoute | undefined, section: LinkedSection): Decision {
    this.runtime.missingMode(route?.plan.name ?? "", section.plan.direction);
    return this.plain(section, faulted(section, "error", "the proxy does not send the body so that it can be treated"));
  }

  // Without its headers nobody can say what a body is; without the request's, which route it takes, and so a rule of any
  // route might be meant for it.
  private headless(direction: Direction): Decision {
    const known = this.route !== undefined || this.facts !== undefined;
    const route = known ? this.route : this.runtime.routes.find((each) => each[direction]?.plan.guards === true);
    const section = route?.[direction];
    if (section === undefined || section.pipelines.length === 0) return PASS;
    this.received(direction);
    return this.missing(route, section);
  }

  // Where the response is to be rewritten it should come uncoded and whole: simpler than undoing it (engine.md).
  private prepared(direction: Direction, decision: Decision): Decision {
    const response = this.route?.response;
    if (direction === "response" || response === undefined || response.pipelines.length === 0) return decision;
    if (!holdsBody(response.plan)) return decision;
    decision.removeHeaders = decision.removeHeaders.concat(["accept-encoding", "range", "if-range"]);
    return decision;
  }

  // --- body -------------------------------------------------------------------------------------------------------------

  recvMore(direction: Direction, chunk: Uint8Array): Decision | undefined {
    const section = this.section(direction);
    const message = this[direction];
    message.bytes += chunk.length;
    if (section === undefined) return undefined;
    // Its first byte says it all, and the peer may wait for an answer before it sends more.
    if (message.reading === "grpc" && chunk.length > 0)
      return this.decide(section, grpcVerdict(section, chunk), undefined);
    if (message.bytes > section.plan.limits.bodyBytes) return this.treated(section, message, tooLarge(section));
    if (takeMemory(this.runtime.budget, message, chunk.length)) return undefined;
    return this.treated(section, message, overload(section));
  }

  recvBody(direction: Direction, body: Uint8Array, complete: boolean): Decision | Promise<Decision> {
    const decision = this.decideBody(direction, body, complete);
    if (this.record === undefined) return decision;
    const noted = (settled: Decision) => this.noted(direction, settled, body);
    return decision instanceof Promise ? decision.then(noted) : noted(decision);
  }

  private decideBody(direction: Direction, body: Uint8Array, complete: boolean): Decision | Promise<Decision> {
    const section = this.section(direction);
    const { headers, reading } = this[direction];
    if (section === undefined || headers === undefined) return PASS; // nobody asked for it
    if (reading === "grpc") return this.decide(section, grpcVerdict(section, body), undefined);
    if (body.length === 0) {
      const verdict = this.withoutBody(section);
      const decide = (settled: Verdict) => this.decide(section, settled, undefined);
      return verdict instanceof Promise ? verdict.then(decide) : decide(verdict);
    }
    if (body.length > section.plan.limits.bodyBytes) return this.decide(section, tooLarge(section), undefined);
    if (!complete) {
      const detail = "the proxy holds only the beginning of the body";
      return this.decide(section, faulted(section, "tooLarge", detail), undefined);
    }
    const message = this[direction];
    // What was collected piece by piece is accounted for already.
    const bytes = message.bytes === 0 ? body.length : 0;
    if (bytes > 0 && !takeMemory(this.runtime.budget, message, bytes))
      return this.decide(section, overload(section), undefined);
    const about = { headers, http: this.http(section), traceparent: this.traceparent() };
    const verdict = treatCoded(this.runtime, section, body, about);
    if (verdict instanceof Promise) return verdict.then((settled) => this.treated(section, message, settled));
    return this.treated(section, message, verdict);
  }

  private treated(section: LinkedSection, message: MessageState, verdict: Verdict): Decision {
    giveMemory(this.runtime.budget, message, message.taken);
    return this.decide(section, verdict, verdict.bytes);
  }

  recvPiece(direction: Direction, piece: Uint8Array, last: boolean): Decision | Promise<Decision> {
    const section = this.section(direction);
    const reader = this[direction].pieces;
    if (this[direction].reading === "copy") this.record?.noteBody(direction, piece);
    if (section === undefined || reader === undefined) return PASS; // nobody asked for more
    if (!takeMemory(this.runtime.budget, this[direction], piece.length)) giveUpEvent(reader, overload(section));
    if (verdictOf(reader).reply !== undefined) return this.pieceRead(section, reader, NO_BYTES, last);
    const bytes = readPiece(reader, piece, last);
    if (!(bytes instanceof Promise)) return this.pieceRead(section, reader, bytes, last);
    return bytes.then((settled) => this.pieceRead(section, reader, settled, last));
  }

  private pieceRead(section: LinkedSection, reader: PieceReader, read: Uint8Array, last: boolean): Decision {
    const message = this[section.plan.direction];
    let bytes = read;
    // Copies are looked at to their end, whoever has left. Where a piece found no room, neither has the next event.
    if (!holdOnly(this.runtime.budget, message, this.over ? 0 : heldBytesOf(reader))) {
      giveUpEvent(reader, overload(section));
      bytes = Buffer.concat([read, takeBytes(reader)]);
    }
    const verdict = verdictOf(reader);
    if (verdict.reply === undefined) this.record?.noteBody(section.plan.direction, bytes);
    if (last || verdict.reply !== undefined) return this.decided(section, verdict, bytes);
    const decision = newDecision("replace");
    decision.body = bytes;
    return decision;
  }

  // --- memory -----------------------------------------------------------------------------------------------------------

  tryHold(bytes: number): boolean {
    return this.runtime.budget.tryTake("bodies", bytes);
  }

  unhold(bytes: number): void {
    this.runtime.budget.give("bodies", bytes);
  }

  outdated(): void {
    this.exchange?.giveUp();
  }

  stopped(direction: Direction, reason: "overload" | "timeout"): Decision {
    const section = this.section(direction);
    if (section === undefined) return PASS;
    const late = "its configuration has been replaced twice while it ran";
    const fault = reason === "overload" ? overload(section) : faulted(section, reason, late);
    return this.treated(section, this[direction], fault);
  }

  // --- verdicts ---------------------------------------------------------------------------------------------------------

  private withoutBody(section: LinkedSection): Verdict | Promise<Verdict> {
    if (!section.plan.bodyless) return passed(section);
    const verdict = treatBodyless(section, this.http(section), this.traceparent());
    return verdict instanceof Promise ? inTime(section, verdict) : verdict;
  }

  /** `body`: the bytes of the verdict's text, coded as the message says; no more than Envoy holds. */
  private decide(section: LinkedSection, verdict: Verdict, body: Uint8Array | undefined): Decision {
    const bytesMax = bufferBytes(section.plan.limits.bodyBytes);
    if (body !== undefined && body.length > bytesMax) {
      const detail = `the body would become larger than ${bytesMax} bytes`;
      return this.decide(section, faulted(section, "tooLarge", detail), undefined);
    }
    return this.decided(section, verdict, body);
  }

  private decided(section: LinkedSection, verdict: Verdict, body: Uint8Array | undefined): Decision {
    const told = this.told();
    const message = this[section.plan.direction];
    if (message.open) this.runtime.observe(told.route, section.plan.direction, verdict);
    message.open = false;
    this.record?.noteVerdict(section.plan.direction, verdict);
    return decisionOf(section, verdict, body, told);
  }

  private told() {
    return { route: this.routeName, named: this.named };
  }

  private http(section: LinkedSection): JsonObject | undefined {
    if (!section.plan.readsHttp) return undefined;
    return httpContext(section.plan.direction, this.routeName, this.facts, this.response.headers);
  }

  // Envoy may be of another's configuration, or of ours from before the deadline was raised. A message that waits now may be
  // in the pool, which gives it some time besides the section's.
  patienceMs(direction: Direction): number {
    const limitMs = this.section(direction)?.plan.limits.deadlineMs ?? 0;
    return limitMs === 0 ? 0 : limitMs + POOL_WAIT_MS + LATE_MS;
  }

  private traceparent(): string {
    return this.facts === undefined ? "" : (headerValue(this.facts.headers, "traceparent") ?? "");
  }

  replyCut(): void {
    this.runtime.counters.add("cutReplies", this.routeName, 1);
  }

  closed(): void {
    this.over = true;
    if (this.request.open) this.runtime.abandoned(this.routeName, "request");
    if (this.response.open) this.runtime.abandoned(this.routeName, "response");
    giveMemory(this.runtime.budget, this.request, this.request.taken);
    giveMemory(this.runtime.budget, this.response, this.response.taken);
    this.request.open = false; // what is under way may still come to a verdict: nobody hears it
    this.response.open = false;
    const exchange = this.route?.exchange;
    if (exchange === undefined || this.record === undefined) this.runtimes.leave(this.runtime, this);
    else void this.afterwards(exchange, this.record);
  }

  // --- when the exchange is over ----------------------------------------------------------------------------------------

  private takeDown(direction: Direction, headers: readonly string[]): void {
    const exchange = this.route?.exchange;
    if (exchange === undefined) return;
    this.record ??= new ExchangeRecord(this.told().route, exchange.plan.bodyBytes, exchange.ports.clock.nowMs());
    if (direction === "request") this.record.noteRequest(this.facts);
    else this.record.noteResponse(headers);
  }

  /** What nobody else reads of a body is looked at as it passes. */
  private watched(direction: Direction, decision: Decision, hasBody: boolean): Decision {
    if (decision.action !== "pass" || !hasBody || this.route?.exchange?.plan.bodyBytes === 0) return decision;
    this[direction].reading = "copy";
    return { ...decision, action: "read", holds: false, pieces: true };
  }

  private noted(direction: Direction, decision: Decision, came: Uint8Array): Decision {
    if (decision.action !== "reply") this.record?.noteBody(direction, decision.body ?? came);
    return decision;
  }

  private async afterwards(exchange: LinkedExchange, record: ExchangeRecord): Promise<void> {
    const { route } = this.told();
    try {
      const { outcome, detail } = await runExchange(exchange, record.event(exchange.ports.clock.nowMs()));
      this.runtime.exchangeEnded(route, outcome, detail);
    } catch (error) {
      this.runtime.exchangeEnded(route, "faulted", `a bug of ours: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.runtimes.leave(this.runtime, this);
    }
  }
}
