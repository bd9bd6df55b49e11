/**
 * One proxied exchange as ext_proc shows it: two directions on one stream, each with headers, body and trailers, none of
 * which must come. Which answers Envoy wants depends on the body mode it is configured with (facts 1 to 6):
 *
 *   mode                   a message   its answers             what is kept back until the verdict
 *   NONE                   headers     one                     headers
 *   BUFFERED (_PARTIAL)    headers     one, at once            headers and body, by Envoy
 *                          body        one
 *   STREAMED               headers     one, at once            the body, here; its headers have gone
 *                          chunk       one, in order
 *   FULL_DUPLEX_STREAMED   headers     one, at any time        headers and body, here
 *                          chunk       any number, also none
 *   any                    trailers    one
 *
 * The exchange knows nothing of routes or pipelines: it asks a Treatment what is to become of a message. Envoy's answers are
 * ordered, so while a decision is being waited for, what comes meanwhile waits too.
 */
import {
  BodyMode,
  type ContinueAnswer,
  HeaderMode,
  type ImmediateAnswer,
  Kind,
  MORE_TIME,
  type ModeOverride,
  type ProcessingRequest,
} from "../messages/messages.ts";
import { type Call, type CallHandler, GrpcStatus } from "../transport.ts";
import { isDuplex } from "./body-modes.ts";
import { Message, type Stream } from "./message.ts";
import { type Decision, newDecision, type Treatment } from "./treatment.ts";

const PASS = newDecision("pass");

export class Exchange implements CallHandler, Stream {
  readonly call: Call;
  open = true;
  observed = false;
  waiting = false;
  private readonly treatment: Treatment;
  private readonly request: Message;
  private readonly response: Message;
  /** whose decision: while `waiting` */
  private waitedFor: Message;
  private started = false;
  private readonly queue: ProcessingRequest[] = [];
  private queuedBytes = 0;
  private peerEnded = false;

  constructor(call: Call, treatment: Treatment) {
    this.call = call;
    this.treatment = treatment;
    this.request = new Message("request", this, treatment);
    this.response = new Message("response", this, treatment);
    this.waitedFor = this.request;
  }

  recv(message: ProcessingRequest): void {
    if (this.waiting) {
      this.queueUp(message);
      return;
    }
    if (!this.started) this.start(message);
    if (!this.open) return;
    switch (message.kind) {
      case Kind.requestHeaders:
        this.request.recvHeaders(message);
        break;
      case Kind.responseHeaders:
        this.response.recvHeaders(message);
        break;
      case Kind.requestBody:
        this.request.recvBody(message);
        break;
      case Kind.responseBody:
        this.response.recvBody(message);
        break;
      case Kind.requestTrailers:
        this.request.recvTrailers(message);
        break;
      case Kind.responseTrailers:
        this.response.recvTrailers(message);
        break;
      default: // an arm of the oneof that this version does not know: nothing to answer
    }
    if (this.observed) this.endObserved();
  }

  private queueUp(message: ProcessingRequest): void {
    const bytes = message.body.length;
    if (bytes > 0 && !this.treatment.tryHold(bytes)) {
      this.overload(message.kind === Kind.responseBody ? this.response : this.request);
      return;
    }
    this.queuedBytes += bytes;
    this.queue.push(message);
  }

  private unqueue(): ProcessingRequest {
    const message = this.queue.shift() as ProcessingRequest; // who asks has seen that there is one
    this.queuedBytes -= message.body.length;
    if (message.body.length > 0) this.treatment.unhold(message.body.length);
    return message;
  }

  // Only bodies are so large.
  recvUnread(): void {
    if (this.open) this.overload(this.underWay());
  }

  private overload(message: Message): void {
    this.stop(message, this.treatment.stopped(message.direction, "overload"));
  }

  /** Ends it now, wherever it is. */
  giveUp(): void {
    if (!this.open) return;
    const message = this.underWay();
    // A reply to nothing would be one too many.
    if (this.waiting || message.state === "reading")
      this.stop(message, this.treatment.stopped(message.direction, "timeout"));
    else this.stop(message, PASS);
  }

  // A request's body comes before the response's.
  private underWay(): Message {
    if (this.waiting) return this.waitedFor;
    return this.request.ended || this.request.state !== "reading" ? this.response : this.request;
  }

  /**
   * What comes next of a message is not treated any more. Where that passes, to end the call lets it pass, as long as Envoy has
   * all of it (facts 11.1, 5.14) and no rule is meant for what comes after it. Otherwise Envoy is told that we failed.
   */
  private stop(message: Message, decision: Decision): void {
    if (decision.action === "reply" && !this.observed) {
      this.reply(decision);
      return;
    }
    this.open = false;
    if (this.observed || (this.isLast(message) && !isDuplex(message.mode))) this.call.end();
    else this.call.fail(GrpcStatus.RESOURCE_EXHAUSTED, "ext_proc: it cannot go on, see the log of agglo");
  }

  /** No rule is at work on anything else, nor will be. */
  private isLast(message: Message): boolean {
    const expectsResponse = this.treatment.expects("response");
    if (message === this.request) return !expectsResponse;
    const isRequestOpen = this.request.state === "reading" || (this.waiting && this.waitedFor === this.request);
    return !isRequestOpen && (message.state !== "start" || !expectsResponse);
  }

  recvEnd(): void {
    this.peerEnded = true;
    if (!this.waiting) this.end();
  }

  // To end well would be to lose what has not gone on (facts 5.14).
  private end(): void {
    if (this.open && (this.request.withholds || this.response.withholds)) this.violation("half-closed within a body");
    else this.call.end();
  }

  closed(): void {
    this.open = false;
    this.queue.length = 0;
    if (this.queuedBytes > 0) this.treatment.unhold(this.queuedBytes);
    this.queuedBytes = 0;
    this.treatment.closed();
  }

  // The configured body modes come with the first message and only then (facts 9.1).
  private start(message: ProcessingRequest): void {
    this.started = true;
    this.observed = message.observabilityMode;
    this.request.mode = message.protocolConfig?.requestBodyMode ?? BodyMode.NONE;
    this.response.mode = message.protocolConfig?.responseBodyMode ?? BodyMode.NONE;
  }

  // --- what the two messages share --------------------------------------------------------------------------------------

  answer(answer: ContinueAnswer): void {
    if (this.open && !this.observed) this.call.send(answer);
  }

  reply(decision: Decision): void {
    if (this.observed) return; // there is nothing that it could stop
    this.open = false;
    if (!this.response.isHeld) this.treatment.replyCut();
    const reply = decision.reply as ImmediateAnswer; // every decision to reply has one
    reply.dynamicMetadata = decision.metadata;
    this.call.send(reply);
  }

  wait(message: Message, decision: Promise<Decision>, then: (settled: Decision) => void): void {
    this.waiting = true;
    this.waitedFor = message;
    const timeoutMs = this.treatment.patienceMs(message.direction);
    // Full duplex knows no message timeout (facts 5.11).
    if (timeoutMs > 0 && message.mode !== BodyMode.FULL_DUPLEX_STREAMED && !this.observed) {
      this.call.send({ kind: MORE_TIME, timeoutMs });
    }
    const goOn = (settled: Decision): void => {
      this.waiting = false;
      if (!this.open) return;
      then(settled);
      this.catchUp();
    };
    decision.then(goOn).catch((error: unknown) => this.call.failBug(error)); // never silence
  }

  recvAgain(message: ProcessingRequest): void {
    this.queue.unshift(message);
  }

  private catchUp(): void {
    while (!this.waiting && this.queue.length > 0) this.recv(this.unqueue());
    if (!this.waiting && this.peerEnded) this.end();
  }

  // Body modes that an override does not name become NONE (facts 10.3), so it names both. Header modes left DEFAULT become
  // the filter's own, not the route's (observed on 1.40): with the generated SKIP the response would pass unseen.
  loweredModes(): ModeOverride {
    return {
      requestHeaderMode: HeaderMode.DEFAULT,
      responseHeaderMode: this.treatment.expects("response") ? HeaderMode.SEND : HeaderMode.SKIP,
      requestBodyMode: this.request.bodyMode,
      responseBodyMode: this.response.bodyMode,
      requestTrailerMode: HeaderMode.DEFAULT,
      responseTrailerMode: HeaderMode.DEFAULT,
    };
  }

  // Envoy keeps the call open for seconds unless we end it, and each counts against its circuit breaker (facts 13.3).
  private endObserved(): void {
    for (const message of [this.request, this.response]) {
      if (!message.ended && this.treatment.expects(message.direction)) return;
    }
    this.call.end();
  }

  violation(what: string): void {
    this.open = false;
    this.call.fail(GrpcStatus.INVALID_ARGUMENT, `ext_proc: ${what}`);
  }
}
