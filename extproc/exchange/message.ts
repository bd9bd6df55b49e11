/**
 * One message of an exchange: its headers, body and trailers as they come, and what of it has not gone on yet.
 *
 *   start ──headers──▶ reading ──body, decided──▶ passing ──▶ …
 *                 └──────── nothing to read ────────▲
 */
import {
  BodyMode,
  type ContinueAnswer,
  continueAnswer,
  Kind,
  type ModeOverride,
  NO_BYTES,
  type PhaseKind,
  type ProcessingRequest,
} from "../messages/messages.ts";
import type { Call } from "../transport.ts";
import {
  answerOf,
  describeBody,
  echoChunk,
  replaceChunk,
  sendChunks,
  undescribeBody,
  validatorsIn,
} from "./answers.ts";
import { headerValue } from "./headers.ts";
import { type Decision, type Delivery, type Direction, newDecision, type Treatment } from "./treatment.ts";

/** What both messages of an exchange share (exchange.ts). */
export type Stream = {
  readonly call: Call;
  /** nothing has ended it yet */
  readonly open: boolean;
  /** Envoy reads no answers (facts 13.2) */
  readonly observed: boolean;
  /** a decision is being waited for */
  readonly waiting: boolean;
  answer(answer: ContinueAnswer): void;
  reply(decision: Decision): void;
  /** Whatever comes meanwhile waits too. */
  wait(message: Message, decision: Promise<Decision>, then: (settled: Decision) => void): void;
  /** Takes a message again once nothing is waited for any more. */
  recvAgain(message: ProcessingRequest): void;
  loweredModes(): ModeOverride;
  violation(what: string): void;
};

export class Message {
  readonly direction: Direction;
  /** as configured: what Envoy expects of an answer */
  mode: BodyMode = BodyMode.NONE;
  state: "start" | "reading" | "passing" = "start";
  /** its last part has come */
  ended = false;
  /** its headers have been answered */
  begun = false;
  /** -1: it has none, so its end is not known before it comes */
  contentLength = -1;
  /** headers that describe the bytes of its body */
  validators: string[] = [];
  private readonly headersKind: PhaseKind;
  private readonly bodyKind: PhaseKind;
  private readonly trailersKind: PhaseKind;
  private readonly stream: Stream;
  private readonly treatment: Treatment;
  private bodySeen = false;
  // While reading: what the treatment asked for, and what there is of it.
  private holds = false;
  private pieces = false;
  /** the answer to the headers, held back until the verdict (FULL_DUPLEX_STREAMED) */
  private heldHeaders: Decision | undefined = undefined;
  private collected: Uint8Array[] = [];
  private collectedBytes = 0;
  /** the last piece that is still being looked at */
  private looking: Promise<Decision> | undefined = undefined;

  constructor(direction: Direction, stream: Stream, treatment: Treatment) {
    const isRequest = direction === "request";
    this.direction = direction;
    this.headersKind = isRequest ? Kind.requestHeaders : Kind.responseHeaders;
    this.bodyKind = isRequest ? Kind.requestBody : Kind.responseBody;
    this.trailersKind = isRequest ? Kind.requestTrailers : Kind.responseTrailers;
    this.stream = stream;
    this.treatment = treatment;
  }

  /** Nothing of it has left Envoy, which holds a message until its BUFFERED body is answered. */
  get isHeld(): boolean {
    return !this.begun || (this.state === "reading" && isBuffered(this.mode));
  }

  /** The body mode that is enough. Full duplex keeps the configured one whatever is asked (facts 10.1). */
  get wantedMode(): BodyMode {
    return this.state === "passing" && this.mode !== BodyMode.FULL_DUPLEX_STREAMED ? BodyMode.NONE : this.mode;
  }

  // --- headers ----------------------------------------------------------------------------------------------------------

  recvHeaders(message: ProcessingRequest): void {
    if (this.state !== "start") {
      this.stream.violation("headers twice");
      return;
    }
    if (isInformational(message.headers)) {
      this.stream.answer(continueAnswer(this.headersKind)); // the response itself is still to come
      return;
    }
    this.ended = message.endOfStream;
    this.contentLength = contentLengthOf(message.headers);
    this.validators = validatorsIn(message.headers);
    const delivery = message.endOfStream ? "none" : this.delivery();
    const decision = this.treatment.recvHeaders(this.direction, message.headers, message.endOfStream, delivery);
    if (decision instanceof Promise) this.stream.wait(this, decision, (settled) => this.answerHeaders(settled));
    else this.answerHeaders(decision);
  }

  private answerHeaders(decision: Decision): void {
    if (decision.action === "reply") {
      this.stream.reply(decision);
      return;
    }
    this.state = decision.action === "read" ? "reading" : "passing";
    this.holds = decision.holds;
    this.pieces = decision.pieces;
    if (this.state === "reading" && this.holds && !this.pieces && this.mode === BodyMode.FULL_DUPLEX_STREAMED) {
      this.heldHeaders = decision;
      return;
    }
    this.begun = true;
    const answer = answerOf(this.headersKind, decision);
    if (this.state === "reading") {
      if (this.holds && this.mode !== BodyMode.BUFFERED) undescribeBody(answer, this);
    } else if (!this.ended && canLower(this.mode)) {
      answer.modeOverride = this.stream.loweredModes();
    }
    this.stream.answer(answer);
  }

  // --- body -------------------------------------------------------------------------------------------------------------

  recvBody(message: ProcessingRequest): void {
    if (this.state === "start") {
      this.recvHeadless(message);
      return;
    }
    const duplicate = this.ended;
    this.ended ||= message.endOfStream;
    if (duplicate && this.mode === BodyMode.FULL_DUPLEX_STREAMED) return; // an answer behind our own end fails (facts 5.8)
    if (this.bodySeen && isBuffered(this.mode)) {
      this.stream.violation("a second body");
      return;
    }
    this.bodySeen = true;
    if (this.state === "passing") this.forward(message.body, message.endOfStream);
    else if (this.stream.observed || !this.holds) this.look(message);
    else if (this.pieces) this.treatPiece(message.body, message.endOfStream, message.endOfStream);
    else if (isBuffered(this.mode)) this.treatBuffered(message);
    else this.treatChunk(message.body);
  }

  // The header mode is SKIP. Without headers nobody can say what the body is; in this state nothing of it is held.
  private recvHeadless(message: ProcessingRequest): void {
    const decision = this.treatment.recvHeaders(this.direction, undefined, false, "none");
    const goOn = (settled: Decision): void => {
      if (settled.action === "reply") this.stream.reply(settled);
      this.state = "passing";
      this.recvBody(message);
    };
    if (decision instanceof Promise) this.stream.wait(this, decision, goOn);
    else goOn(decision);
  }

  /** Lets a piece of a body go on as it came. */
  private forward(body: Uint8Array, endOfStream: boolean): void {
    if (!this.stream.open || this.stream.observed) return;
    if (this.mode === BodyMode.FULL_DUPLEX_STREAMED || this.mode === BodyMode.GRPC) {
      echoChunk(this.stream.call, this.bodyKind, body, endOfStream);
    } else this.stream.call.send(continueAnswer(this.bodyKind));
  }

  // What is not held up is looked at once it is on its way, and nothing behind it waits for that.
  private look(message: ProcessingRequest): void {
    this.forward(message.body, message.endOfStream);
    if (this.pieces) {
      this.lookAtPiece(message.body, message.endOfStream);
    } else if (isBuffered(this.mode)) {
      this.lookAtAll(message.body, this.isComplete(message.body.length));
    } else {
      this.collect(message.body);
      const enough = this.treatment.recvMore(this.direction, message.body.length);
      if (enough !== undefined) this.stopLooking();
      else if (this.isComplete(this.collectedBytes)) this.lookAtAll(this.takeCollected(), true);
    }
  }

  private stopLooking(): void {
    this.state = "passing";
    this.takeCollected();
  }

  private lookAtAll(body: Uint8Array, complete: boolean): void {
    this.state = "passing";
    this.looked(this.treatment.recvBody(this.direction, body, complete));
  }

  private lookAtPiece(piece: Uint8Array, last: boolean): void {
    const next = () => this.treatment.recvPiece(this.direction, piece, last);
    this.looked(this.looking === undefined ? next() : this.looking.then(next)); // one after the other
  }

  private looked(decision: Decision | Promise<Decision>): void {
    if (!(decision instanceof Promise)) return;
    this.looking = decision;
    const seen = (): void => {
      if (this.looking === decision) this.looking = undefined;
    };
    decision.then(seen).catch((error: unknown) => this.stream.call.failBug(error));
  }

  private treatBuffered(message: ProcessingRequest): void {
    const complete = this.mode === BodyMode.BUFFERED || this.isComplete(message.body.length);
    const decision = this.treatment.recvBody(this.direction, message.body, complete);
    if (decision instanceof Promise) this.stream.wait(this, decision, (settled) => this.answerBuffered(settled));
    else this.answerBuffered(decision);
  }

  private answerBuffered(decision: Decision): void {
    if (decision.action === "reply") {
      this.stream.reply(decision);
      return;
    }
    this.state = "passing";
    const answer = answerOf(this.bodyKind, decision);
    if (decision.action === "replace" && decision.body !== undefined) {
      answer.body = decision.body;
      if (this.mode === BodyMode.BUFFERED) describeBody(answer, this, decision.body);
    }
    this.stream.call.send(answer);
  }

  /** A chunk of a body that is held back here until all of it is there. */
  private treatChunk(chunk: Uint8Array): void {
    this.collect(chunk);
    const enough = this.treatment.recvMore(this.direction, chunk.length);
    if (enough !== undefined) this.answerCollected(enough, this.takeCollected(), this.ended);
    else if (this.isComplete(this.collectedBytes)) this.treatCollected(this.ended);
    else if (this.mode === BodyMode.STREAMED) replaceChunk(this.stream.call, this.bodyKind, NO_BYTES);
  }

  private treatCollected(endOfStream: boolean): void {
    const body = this.takeCollected();
    const decision = this.treatment.recvBody(this.direction, body, true);
    if (decision instanceof Promise) {
      this.stream.wait(this, decision, (settled) => this.answerCollected(settled, body, endOfStream));
    } else this.answerCollected(decision, body, endOfStream);
  }

  private answerCollected(decision: Decision, original: Uint8Array, endOfStream: boolean): void {
    if (decision.action === "reply") {
      this.stream.reply(decision);
      return;
    }
    this.state = "passing";
    const replaced = decision.action === "replace" && decision.body !== undefined;
    const body = replaced ? (decision.body as Uint8Array) : original;
    if (this.mode === BodyMode.STREAMED) {
      replaceChunk(this.stream.call, this.bodyKind, body);
      return;
    }
    const held = this.heldHeaders ?? newDecision("pass");
    const answer = answerOf(this.headersKind, decision);
    answer.setHeaders = held.setHeaders.concat(decision.setHeaders);
    answer.removeHeaders = held.removeHeaders.concat(decision.removeHeaders);
    if (replaced) undescribeBody(answer, this);
    this.begun = true;
    this.stream.call.send(answer);
    if (body.length > 0 || endOfStream) sendChunks(this.stream.call, this.bodyKind, body, endOfStream, undefined);
  }

  private treatPiece(piece: Uint8Array, last: boolean, endOfStream: boolean): void {
    const decision = this.treatment.recvPiece(this.direction, piece, last);
    if (decision instanceof Promise)
      this.stream.wait(this, decision, (settled) => this.answerPiece(settled, endOfStream));
    else this.answerPiece(decision, endOfStream);
  }

  private answerPiece(decision: Decision, endOfStream: boolean): void {
    if (decision.action === "reply") {
      this.stream.reply(decision);
      return;
    }
    const body = decision.body ?? NO_BYTES;
    if (body.length > 0 || endOfStream)
      sendChunks(this.stream.call, this.bodyKind, body, endOfStream, decision.metadata);
  }

  // --- trailers ---------------------------------------------------------------------------------------------------------

  // They end the body. Where none came before them (facts 1.3), this is when we know.
  recvTrailers(): void {
    const open = !this.ended && this.state === "reading";
    this.ended = true;
    if (open) this.endBody();
    if (this.stream.waiting) this.stream.recvAgain(trailers(this.trailersKind));
    else this.answerTrailers();
  }

  private endBody(): void {
    if (this.stream.observed || !this.holds) {
      if (this.pieces) this.lookAtPiece(NO_BYTES, true);
      else this.lookAtAll(this.takeCollected(), true);
    } else if (this.pieces) this.treatPiece(NO_BYTES, true, false);
    else if (this.mode === BodyMode.FULL_DUPLEX_STREAMED) this.treatCollected(false);
    else this.treatNothing();
  }

  // A BUFFERED message without a body: its headers are still held, but only a refusal can be said now.
  private treatNothing(): void {
    this.state = "passing";
    const decision = this.treatment.recvBody(this.direction, NO_BYTES, true);
    const goOn = (settled: Decision): void => {
      if (settled.action === "reply") this.stream.reply(settled);
    };
    if (decision instanceof Promise) this.stream.wait(this, decision, goOn);
    else goOn(decision);
  }

  private answerTrailers(): void {
    this.state = "passing";
    this.stream.answer(continueAnswer(this.trailersKind));
  }

  // --- what has come ----------------------------------------------------------------------------------------------------

  /** How the body will come, by the mode (facts 1 to 6). */
  private delivery(): Delivery {
    if (this.stream.observed) return "copy";
    switch (this.mode) {
      case BodyMode.BUFFERED:
        return "whole";
      case BodyMode.BUFFERED_PARTIAL:
        return "start";
      case BodyMode.FULL_DUPLEX_STREAMED:
        return "pieces";
      case BodyMode.STREAMED:
        // Holding back needs to know the last chunk when it comes: behind trailers there is no place for a body.
        return this.contentLength === -1 ? "copy" : "whole";
      default: // GRPC delivers nothing that could be answered (facts 21.1)
        return "none";
    }
  }

  private collect(chunk: Uint8Array): void {
    this.collected.push(chunk);
    this.collectedBytes += chunk.length;
  }

  private takeCollected(): Uint8Array {
    const { collected, collectedBytes } = this;
    this.collected = [];
    this.collectedBytes = 0;
    return collected.length === 1 ? (collected[0] as Uint8Array) : Buffer.concat(collected, collectedBytes);
  }

  /** The body is whole: its end has come, or as many bytes as its content-length says. */
  private isComplete(bytes: number): boolean {
    return this.ended || (this.contentLength !== -1 && bytes >= this.contentLength);
  }
}

function isBuffered(mode: BodyMode): boolean {
  return mode === BodyMode.BUFFERED || mode === BodyMode.BUFFERED_PARTIAL;
}

function canLower(mode: BodyMode): boolean {
  return isBuffered(mode) || mode === BodyMode.STREAMED;
}

/** RFC 9110 section 8.6; -1 for none. Envoy has refused a message with two different ones. */
function contentLengthOf(headers: readonly string[]): number {
  const text = headerValue(headers, "content-length");
  return text === undefined ? -1 : Number.parseInt(text, 10);
}

/** 1xx but not 101, which is the end of a response. */
function isInformational(headers: readonly string[]): boolean {
  const status = headerValue(headers, ":status");
  return status?.startsWith("1") === true && status !== "101";
}

/** The trailers of a message again, for when what they ended has been decided. */
function trailers(kind: PhaseKind): ProcessingRequest {
  return {
    kind,
    headers: [],
    body: NO_BYTES,
    endOfStream: true,
    observabilityMode: false,
    protocolConfig: undefined,
    attributes: undefined,
  };
}
