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
import { answerOf, describeBody, echoMessage, replaceChunk, sendChunks, undescribeBody } from "./answers.ts";
import { canLower, deliveryOf, isBuffered, isDuplex } from "./body-modes.ts";
import { contentLengthOf, isInformational } from "./headers.ts";
import { type Decision, type Direction, newDecision, type Treatment } from "./treatment.ts";

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
  private headers: readonly string[] = [];
  private readonly headersKind: PhaseKind;
  private readonly bodyKind: PhaseKind;
  private readonly trailersKind: PhaseKind;
  private readonly stream: Stream;
  private readonly treatment: Treatment;
  private bodySeen = false;
  /** of the body, until now */
  private bytes = 0;
  /** its body is not sent any more, where Envoy allows that (facts 10.1) */
  private lowered = false;
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

  /** The body mode to ask for. In the middle of a body another one would let the rest overtake what waits in Envoy. */
  get bodyMode(): BodyMode {
    return this.lowered ? BodyMode.NONE : this.mode;
  }

  /** Bytes of it have come that nobody but us has, and more was to come. */
  get withholds(): boolean {
    return this.state === "reading" && this.holds && !this.ended && this.bytes > 0;
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
    this.headers = message.headers;
    const delivery = message.endOfStream ? "none" : deliveryOf(this.mode, this.contentLength, this.stream.observed);
    const decision = this.treatment.recvHeaders(this.direction, message.headers, message.endOfStream, delivery);
    if (decision instanceof Promise) this.stream.wait(this, decision, (settled) => this.answerHeaders(settled));
    else this.answerHeaders(decision);
  }

  private answerHeaders(decision: Decision): void {
    if (decision.action === "reply") {
      this.state = "passing"; // it goes on where it is only observed
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
      if (this.holds && this.mode !== BodyMode.BUFFERED) undescribeBody(answer, this.headers);
    } else if (!this.ended && canLower(this.mode)) {
      this.lowered = true;
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
    const isOver = this.ended || (this.bodySeen && isBuffered(this.mode));
    this.bodySeen = true;
    this.ended ||= message.endOfStream;
    this.bytes += message.body.length;
    if (isOver) this.recvBehind(message.body);
    else if (
      this.holds &&
      this.mode === BodyMode.STREAMED &&
      this.contentLength !== -1 &&
      this.bytes > this.contentLength
    ) {
      this.stream.violation("more body than content-length says"); // the verdict was on that much
    } else this.recvPart(message);
  }

  // A second, empty end of stream is harmless (agentgateway sends such). Under full duplex it must not be answered: an
  // answer behind our own end fails (facts 5.8).
  private recvBehind(body: Uint8Array): void {
    if (body.length > 0) this.stream.violation("a body behind its end");
    else if (!isDuplex(this.mode)) this.stream.answer(continueAnswer(this.bodyKind));
  }

  private recvPart(message: ProcessingRequest): void {
    if (this.state === "passing") this.forward(message.body, message.endOfStream);
    else if (this.stream.observed || !this.holds) this.look(message);
    else if (this.pieces) this.treatPiece(message.body, message.endOfStream, message.endOfStream);
    else if (isBuffered(this.mode)) this.treatBuffered(message);
    else this.treatChunk(message.body);
  }

  // The header mode is SKIP. Without headers nobody can say what the body is; in this state nothing of it is held.
  private recvHeadless(message: ProcessingRequest): void {
    const decision = this.treatment.recvHeaders(this.direction, undefined, false, "none");
    this.begun = true;
    const goOn = (settled: Decision): void => {
      this.state = "passing";
      if (settled.action === "reply") this.stream.reply(settled);
      this.recvBody(message);
    };
    if (decision instanceof Promise) this.stream.wait(this, decision, goOn);
    else goOn(decision);
  }

  /** Lets a piece of a body go on as it came. */
  private forward(body: Uint8Array, endOfStream: boolean): void {
    if (!this.stream.open || this.stream.observed) return;
    if (this.mode === BodyMode.FULL_DUPLEX_STREAMED) {
      sendChunks(this.stream.call, this.bodyKind, body, endOfStream, undefined);
    } else if (this.mode === BodyMode.GRPC) {
      echoMessage(this.stream.call, this.bodyKind, body, endOfStream);
    } else this.stream.call.send(continueAnswer(this.bodyKind));
  }

  // What is not held up is looked at once it is on its way, and nothing behind it waits for that.
  private look(message: ProcessingRequest): void {
    this.forward(message.body, message.endOfStream);
    if (this.pieces) {
      this.lookAtPiece(message.body, message.endOfStream);
    } else if (isBuffered(this.mode)) {
      this.lookAtAll(message.body, this.isWhole(message.body));
    } else {
      this.collect(message.body);
      const enough = this.treatment.recvMore(this.direction, message.body);
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

  // One piece after the other. What waits takes memory; without it we have seen enough.
  private lookAtPiece(piece: Uint8Array, last: boolean): void {
    if (this.looking === undefined) {
      this.looked(this.treatment.recvPiece(this.direction, piece, last));
      return;
    }
    if (!this.treatment.tryHold(piece.length)) {
      this.treatment.stopped(this.direction, "overload");
      this.stopLooking();
      return;
    }
    const next = () => {
      this.treatment.unhold(piece.length);
      return this.treatment.recvPiece(this.direction, piece, last);
    };
    this.looked(this.looking.then(next));
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
    const decision = this.treatment.recvBody(this.direction, message.body, this.isWhole(message.body));
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
      if (this.mode === BodyMode.BUFFERED) describeBody(answer, this.headers, decision.body);
    }
    this.stream.call.send(answer);
  }

  /** A chunk of a body that is held back here until all of it is there. */
  private treatChunk(chunk: Uint8Array): void {
    this.collect(chunk);
    const enough = this.treatment.recvMore(this.direction, chunk);
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
    if (replaced) undescribeBody(answer, this.headers);
    this.begun = true;
    this.stream.call.send(answer);
    if (body.length > 0 || endOfStream) sendChunks(this.stream.call, this.bodyKind, body, endOfStream, undefined);
  }

  private treatPiece(piece: Uint8Array, last: boolean, endOfStream: boolean): void {
    const decision = this.treatment.recvPiece(this.direction, piece, last);
    if (decision instanceof Promise)
      this.stream.wait(this, decision, (settled) => this.answerPiece(settled, piece, endOfStream));
    else this.answerPiece(decision, piece, endOfStream);
  }

  private answerPiece(decision: Decision, piece: Uint8Array, endOfStream: boolean): void {
    if (decision.action === "reply") {
      this.stream.reply(decision);
      return;
    }
    const body = decision.body ?? piece;
    if (body.length > 0 || endOfStream)
      sendChunks(this.stream.call, this.bodyKind, body, endOfStream, decision.metadata);
  }

  // --- trailers ---------------------------------------------------------------------------------------------------------

  // They end the body. Where none came before them (facts 1.3), this is when we know.
  recvTrailers(message: ProcessingRequest): void {
    const open = !this.ended && this.state === "reading";
    this.ended = true;
    if (open) this.endBody();
    if (this.stream.waiting) this.stream.recvAgain(message);
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
    if (this.collectedBytes > 0) {
      this.stream.violation("less body than content-length says"); // and behind trailers there is no place for it
      return;
    }
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

  /** The body is whole: its end has come, or as many bytes as its content-length says. Full duplex always shows the end. */
  private isComplete(bytes: number): boolean {
    return this.ended || (bytes === this.contentLength && !isDuplex(this.mode));
  }

  // In front of trailers a BUFFERED body does not say that it is whole (facts 1.1).
  private isWhole(body: Uint8Array): boolean {
    return this.mode === BodyMode.BUFFERED || this.isComplete(body.length);
  }
}
