/**
 * One proxied exchange as ext_proc shows it: at most six messages, each answered exactly once, in order.
 *
 *              headers                body                    trailers
 *   start ───────────────▶ headers ──────────▶ body ────────────────────▶ done
 *     │  readBody: the body is to come   │ whole, under BUFFERED       │
 *     │  pass: the body mode is lowered to NONE, or what still comes passes
 *     └─ reply (at any point): an immediate response ends the exchange
 *
 * The two directions are two such machines on one stream. The exchange knows nothing of routes or pipelines: it asks a
 * Treatment what is to become of a message, and makes of the decision an answer that Envoy accepts and that leaves
 * content-length and body in agreement (facts 2.1-2.8).
 */
import {
  BodyMode,
  type ContinueAnswer,
  continueAnswer,
  HeaderMode,
  type HeaderSet,
  type ImmediateAnswer,
  type JsonObject,
  Kind,
  type ModeOverride,
  type PhaseKind,
  type ProcessingRequest,
} from "../messages/messages.ts";
import { type Call, type CallHandler, GrpcStatus } from "../transport.ts";
import { headerValue } from "./headers.ts";

export type Direction = "request" | "response";

/** What is to become of a message. */
export type Decision = {
  /** pass: as it is; readBody: ask again with the body; replace: `body` instead of what came; reply: `reply` */
  action: "pass" | "readBody" | "replace" | "reply";
  setHeaders: HeaderSet[];
  removeHeaders: string[];
  body: Uint8Array | undefined;
  reply: ImmediateAnswer | undefined;
  metadata: JsonObject | Uint8Array | undefined;
};

export function newDecision(action: Decision["action"]): Decision {
  return { action, setHeaders: [], removeHeaders: [], body: undefined, reply: undefined, metadata: undefined };
}

export type Treatment = {
  /**
   * A message begins. `bodyMode` is how its body will come (BodyMode); `endOfStream`: there is none. Only a body that
   * comes BUFFERED can be read.
   */
  recvHeaders(
    direction: Direction,
    headers: readonly string[],
    endOfStream: boolean,
    bodyMode: number,
  ): Decision | Promise<Decision>;
  /** The whole body of a message whose headers were answered with readBody, or came without headers. */
  recvBody(direction: Direction, body: Uint8Array): Decision | Promise<Decision>;
  /** The exchange is over, whatever ended it. Once. */
  closed(): void;
};

type Side = {
  state: "start" | "headers" | "body" | "done";
  bodyMode: number;
  /** the message has a content-length, so a new body must correct it */
  hasLength: boolean;
};

/** Response headers that describe exactly the bytes a replaced body no longer has (engine.md, "Coding and validators"). */
const VALIDATORS = ["etag", "last-modified", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"];

export class Exchange implements CallHandler {
  private readonly request: Side = { state: "start", bodyMode: BodyMode.NONE, hasLength: false };
  private readonly response: Side = { state: "start", bodyMode: BodyMode.NONE, hasLength: false };
  private readonly call: Call;
  private readonly treatment: Treatment;
  private open = true;
  private started = false;
  /** a decision is being waited for; messages that come meanwhile wait their turn */
  private waiting = false;
  private readonly queue: ProcessingRequest[] = [];
  private peerEnded = false;

  constructor(call: Call, treatment: Treatment) {
    this.call = call;
    this.treatment = treatment;
  }

  recv(message: ProcessingRequest): void {
    if (this.waiting) {
      this.queue.push(message);
      return;
    }
    if (!this.started) this.start(message);
    if (!this.open || message.observabilityMode) return; // Envoy reads no answers in observability mode (facts 13.2)
    switch (message.kind) {
      case Kind.requestHeaders:
        this.recvHeaders("request", this.request, Kind.requestHeaders, message);
        break;
      case Kind.responseHeaders:
        this.recvHeaders("response", this.response, Kind.responseHeaders, message);
        break;
      case Kind.requestBody:
        this.recvBody("request", this.request, Kind.requestBody, message);
        break;
      case Kind.responseBody:
        this.recvBody("response", this.response, Kind.responseBody, message);
        break;
      case Kind.requestTrailers:
        this.recvTrailers(this.request, Kind.requestTrailers);
        break;
      case Kind.responseTrailers:
        this.recvTrailers(this.response, Kind.responseTrailers);
        break;
      default: // an arm of the oneof that this version does not know: nothing to answer
    }
  }

  recvEnd(): void {
    this.peerEnded = true;
    if (!this.waiting) this.call.end();
  }

  closed(): void {
    this.open = false;
    this.queue.length = 0;
    this.treatment.closed();
  }

  // The configured body modes come with the first message and only then (facts 9.1).
  private start(message: ProcessingRequest): void {
    this.started = true;
    this.request.bodyMode = message.protocolConfig?.requestBodyMode ?? BodyMode.NONE;
    this.response.bodyMode = message.protocolConfig?.responseBodyMode ?? BodyMode.NONE;
  }

  private recvHeaders(direction: Direction, side: Side, kind: PhaseKind, message: ProcessingRequest): void {
    if (side.state !== "start") {
      this.violation("headers twice");
      return;
    }
    side.state = message.endOfStream ? "done" : "headers";
    side.hasLength = headerValue(message.headers, "content-length") !== undefined;
    const { headers, endOfStream } = message;
    const decision = this.treatment.recvHeaders(direction, headers, endOfStream, side.bodyMode);
    if (!(decision instanceof Promise)) this.answerHeaders(side, kind, endOfStream, decision);
    else this.wait(decision, (settled) => this.answerHeaders(side, kind, endOfStream, settled));
  }

  private answerHeaders(side: Side, kind: PhaseKind, endOfStream: boolean, decision: Decision): void {
    if (decision.action === "reply") {
      this.reply(decision);
      return;
    }
    const answer = newAnswer(kind, decision);
    // Full duplex keeps its configured mode whatever is asked (facts 10.1), and an override there would mislead.
    if (decision.action !== "readBody" && !endOfStream && side.bodyMode === BodyMode.BUFFERED) {
      side.bodyMode = BodyMode.NONE;
      answer.modeOverride = this.lowered();
    }
    this.call.send(answer);
  }

  private recvBody(direction: Direction, side: Side, kind: PhaseKind, message: ProcessingRequest): void {
    if (side.bodyMode !== BodyMode.BUFFERED) {
      this.echo(kind, side, message);
      return;
    }
    if (side.state === "body" || side.state === "done") {
      this.violation("a second body");
      return;
    }
    side.state = "body";
    const decision = this.treatment.recvBody(direction, message.body);
    if (!(decision instanceof Promise)) this.answerBody(side, kind, decision);
    else this.wait(decision, (settled) => this.answerBody(side, kind, settled));
  }

  // Messages that come meanwhile wait their turn.
  private wait(decision: Promise<Decision>, answer: (settled: Decision) => void): void {
    this.waiting = true;
    decision.then(
      (settled) => {
        this.waiting = false;
        if (!this.open) return;
        answer(settled);
        this.catchUp();
      },
      () => this.call.fail(GrpcStatus.INTERNAL, "ext_proc: the treatment failed"), // our own bug: never silence
    );
  }

  private answerBody(side: Side, kind: PhaseKind, decision: Decision): void {
    if (decision.action === "reply") {
      this.reply(decision);
      return;
    }
    const answer = newAnswer(kind, decision);
    if (decision.action === "replace" && decision.body !== undefined) {
      answer.body = decision.body;
      // Envoy compares the two and makes a 500 of a difference (facts 2.1); without a length the body goes chunked.
      if (side.hasLength) answer.setHeaders.push(lengthOf(decision.body));
      if (side === this.response) answer.removeHeaders = answer.removeHeaders.concat(VALIDATORS);
    }
    this.call.send(answer);
  }

  // A body nobody reads, in a mode we did not ask for: each chunk goes on as it came.
  private echo(kind: PhaseKind, side: Side, message: ProcessingRequest): void {
    const answer = continueAnswer(kind);
    if (side.bodyMode === BodyMode.FULL_DUPLEX_STREAMED) {
      answer.streamed = true; // anything else is a spurious message there (facts 5.7)
      answer.body = message.body;
      answer.endOfStream = message.endOfStream;
    }
    this.call.send(answer);
  }

  private recvTrailers(side: Side, kind: PhaseKind): void {
    side.state = "done";
    this.call.send(continueAnswer(kind));
  }

  private catchUp(): void {
    while (!this.waiting && this.queue.length > 0) this.recv(this.queue.shift() as ProcessingRequest);
    if (!this.waiting && this.peerEnded) this.call.end();
  }

  private reply(decision: Decision): void {
    this.open = false;
    const reply = decision.reply as ImmediateAnswer; // every decision to reply has one
    reply.dynamicMetadata = decision.metadata;
    this.call.send(reply);
  }

  // Body modes that an override does not name become NONE (facts 10.3), so it always names both.
  private lowered(): ModeOverride {
    return {
      requestHeaderMode: HeaderMode.DEFAULT,
      responseHeaderMode: HeaderMode.DEFAULT,
      requestBodyMode: this.request.bodyMode as ModeOverride["requestBodyMode"],
      responseBodyMode: this.response.bodyMode as ModeOverride["responseBodyMode"],
      requestTrailerMode: HeaderMode.DEFAULT,
      responseTrailerMode: HeaderMode.DEFAULT,
    };
  }

  private violation(what: string): void {
    this.open = false;
    this.call.fail(GrpcStatus.INVALID_ARGUMENT, `ext_proc: ${what}`);
  }
}

function newAnswer(kind: PhaseKind, decision: Decision): ContinueAnswer {
  const answer = continueAnswer(kind);
  answer.setHeaders = decision.setHeaders;
  answer.removeHeaders = decision.removeHeaders;
  answer.dynamicMetadata = decision.metadata;
  return answer;
}

function lengthOf(body: Uint8Array): HeaderSet {
  return { name: "content-length", value: String(body.length), append: false };
}
