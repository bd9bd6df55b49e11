/**
 * One direction of an exchange on Envoy's side: what was sent of it, which answers it waits for, what has gone on to the
 * other side. Every answer is judged as Envoy 1.40 judges it (envoy-1.40-facts.md, cited as "facts"); where that makes a
 * 500, loses bytes or ignores what the server asked for, `fail` is told.
 */
import {
  BodyMode,
  type ContinueAnswer,
  type HeaderSet,
  Kind,
  type PhaseKind,
  type ProcessingRequest,
} from "../../extproc/messages/messages.ts";

export type Fail = (what: string) => void;

/** The protocol's note: a chunk of an answer under FULL_DUPLEX_STREAMED is not larger (processing_mode.proto). */
const CHUNK_BYTES_MAX = 65_536;
/** facts 3.8 */
const OPERATIONS_MAX = 100;

export class EnvoyDirection {
  readonly name: "request" | "response";
  /** as in Envoy's configuration: says what becomes of content-length (facts 2.8) */
  readonly configured: BodyMode;
  /** in force: lowered or raised by overrides */
  mode: BodyMode;
  headers: string[] = [];
  readonly sent: Uint8Array[] = [];
  /** what the other side has of the body */
  readonly gone: Uint8Array[] = [];
  headersSent = false;
  headersAnswered = false;
  /** end_of_stream was sent */
  endSent = false;
  /** the server's own end of stream (FULL_DUPLEX_STREAMED) */
  endAnswered = false;
  trailersSent = false;
  trailersAnswered = false;
  /** CONTINUE_AND_REPLACE: nothing further of this direction is sent (facts 3.11) */
  replaced = false;
  /** BUFFERED, STREAMED: body messages without an answer, oldest first */
  private readonly open: Uint8Array[] = [];
  private readonly keepsContentLength: boolean;
  private readonly fail: Fail;

  constructor(name: "request" | "response", mode: BodyMode, keepsContentLength: boolean, fail: Fail) {
    this.name = name;
    this.configured = mode;
    this.mode = mode;
    this.keepsContentLength = keepsContentLength;
    this.fail = (what) => fail(`${name}: ${what}`);
  }

  get isDuplex(): boolean {
    return this.mode === BodyMode.FULL_DUPLEX_STREAMED || this.mode === BodyMode.GRPC;
  }

  /** Everything sent has its answer, and under full duplex the end has come back. */
  get isSettled(): boolean {
    if (this.headersSent !== this.headersAnswered || this.trailersSent !== this.trailersAnswered) return false;
    if (!this.isDuplex) return this.open.length === 0;
    return this.endAnswered || this.trailersAnswered || !this.endSent || this.sent.length === 0;
  }

  get body(): Buffer {
    return Buffer.concat(this.gone);
  }

  header(name: string): string | undefined {
    const index = this.headers.findIndex((text, i) => i % 2 === 0 && text === name);
    return index === -1 ? undefined : this.headers[index + 1];
  }

  // --- what Envoy sends -------------------------------------------------------------------------------------------------

  recordSent(message: ProcessingRequest): void {
    switch (message.kind) {
      case Kind.requestHeaders:
      case Kind.responseHeaders:
        this.headers = [...message.headers];
        this.headersSent = true;
        this.endSent = message.endOfStream;
        break;
      case Kind.requestBody:
      case Kind.responseBody:
        this.sent.push(message.body);
        if (!this.isDuplex) this.open.push(message.body);
        this.endSent ||= message.endOfStream;
        break;
      default:
        this.trailersSent = true;
    }
  }

  /** Body that Envoy does not show to the server. */
  pass(body: Uint8Array): void {
    this.gone.push(body);
  }

  // --- what the server answers ------------------------------------------------------------------------------------------

  takeHeaders(answer: ContinueAnswer): void {
    if (!this.headersSent || this.headersAnswered) {
      this.fail("a headers answer that nothing asked for (4.5)");
      return;
    }
    this.headersAnswered = true;
    if (answer.streamed) this.fail("a streamed body in a headers answer (5.7)");
    this.mutate(answer);
    if (answer.body === undefined) return;
    if (this.isDuplex) {
      this.fail("CONTINUE_AND_REPLACE under full duplex (3.11)");
      return;
    }
    this.replaced = true;
    this.removeHeader("content-length");
    this.gone.push(answer.body);
  }

  takeBody(answer: ContinueAnswer): void {
    if (this.headersSent && !this.headersAnswered) {
      this.fail("a body answer before the headers answer (4.8, 5.6)");
      return;
    }
    if (this.isDuplex) this.takeChunk(answer);
    else this.takeWhole(answer);
  }

  private takeWhole(answer: ContinueAnswer): void {
    if (answer.streamed) {
      this.fail("a streamed answer outside full duplex (A.4)");
      return;
    }
    const original = this.open.shift();
    if (original === undefined) {
      this.fail("a body answer that nothing asked for (4.5)");
      return;
    }
    const body = answer.body ?? original;
    const wasLength = this.header("content-length");
    if (this.mode === BodyMode.STREAMED) this.expectNoMutation(answer, "under STREAMED is ignored (3.9)");
    else this.mutate(answer);
    const length = this.header("content-length");
    if (this.mode === BodyMode.BUFFERED && this.configured === BodyMode.BUFFERED && length !== undefined) {
      if (answer.body !== undefined && Number(length) !== body.length)
        this.fail("content-length is not the body's: 500 (2.1)");
      if (answer.body === undefined && length !== wasLength) this.fail("content-length of an unchanged body (2.4)");
    }
    this.gone.push(body);
  }

  private takeChunk(answer: ContinueAnswer): void {
    if (!answer.streamed || answer.body === undefined) {
      this.fail("a body answer that is not streamed (5.7)");
      return;
    }
    if (this.sent.length === 0) {
      this.fail("a body answer to no body");
      return;
    }
    if (this.endAnswered) {
      this.fail("a body answer behind the server's own end of stream (5.8)");
      return;
    }
    if (this.trailersAnswered) {
      this.fail("a body answer behind the trailers answer");
      return;
    }
    if (this.mode !== BodyMode.GRPC && answer.body.length > CHUNK_BYTES_MAX)
      this.fail(`a chunk of ${answer.body.length} bytes (A.4)`);
    this.expectNoMutation(answer, "under full duplex is ignored (3.9)");
    this.gone.push(answer.body);
    this.endAnswered = answer.endOfStream;
  }

  takeTrailers(answer: ContinueAnswer): void {
    if (!this.trailersSent || this.trailersAnswered) {
      this.fail("a trailers answer that nothing asked for (4.5)");
      return;
    }
    if (this.headersSent && !this.headersAnswered) this.fail("a trailers answer before the headers answer");
    if (this.open.length > 0) this.fail("a trailers answer before the body's answers");
    this.trailersAnswered = true;
    checkMutation(answer.setHeaders, answer.removeHeaders, this.fail);
  }

  override(mode: BodyMode): void {
    if (mode === this.mode) return;
    // Envoy would let what comes now overtake the chunks that wait for their answers.
    const flows = this.mode === BodyMode.STREAMED && this.sent.length > 0 && !this.endSent && !this.trailersSent;
    if (flows) this.fail("an override in the middle of a body");
    this.mode = mode;
  }

  /** The server ended the call with OK: Envoy goes on by itself (facts 11.1, 5.14). */
  closeOk(): void {
    if (this.isDuplex) {
      const lost = total(this.sent) > 0 && !this.endAnswered && !this.trailersAnswered;
      if (lost || (this.headersSent && !this.headersAnswered))
        this.fail("the call ended before everything came back (5.14)");
    }
    this.headersAnswered = this.headersSent;
    this.trailersAnswered = this.trailersSent;
    this.gone.push(...this.open.splice(0));
  }

  /** Nothing more will come. */
  finish(): void {
    if (!this.isSettled) this.fail(`an answer is missing: ${this.missing()}`);
    if (!this.removesContentLength()) this.checkLength();
  }

  private missing(): string {
    if (this.headersSent && !this.headersAnswered) return "headers";
    if (this.open.length > 0) return `${this.open.length} body messages`;
    return this.trailersSent && !this.trailersAnswered ? "trailers" : "end of stream";
  }

  /** What Envoy writes behind a content-length and is longer is the next request (facts 2.4, 2.7, 2.8, 22.1). */
  private checkLength(): void {
    const length = this.header("content-length");
    if (length !== undefined && total(this.sent) + total(this.gone) > 0 && Number(length) !== total(this.gone)) {
      this.fail(`content-length ${length} before ${total(this.gone)} bytes`);
    }
  }

  private removesContentLength(): boolean {
    return !this.keepsContentLength && this.configured !== BodyMode.NONE && this.configured !== BodyMode.BUFFERED;
  }

  private mutate(answer: ContinueAnswer): void {
    checkMutation(answer.setHeaders, answer.removeHeaders, this.fail);
    for (const name of answer.removeHeaders) this.removeHeader(name);
    for (const { name, value, append } of answer.setHeaders) {
      if (!append) this.removeHeader(name);
      this.headers.push(name, value);
    }
  }

  private removeHeader(name: string): void {
    for (let i = this.headers.length - 2; i >= 0; i -= 2) if (this.headers[i] === name) this.headers.splice(i, 2);
  }

  private expectNoMutation(answer: ContinueAnswer, why: string): void {
    if (answer.setHeaders.length + answer.removeHeaders.length > 0)
      this.fail(`a header mutation in a body answer ${why}`);
  }
}

/** Facts 3.6 to 3.8: what Envoy answers with a 500, or skips without a word. */
export function checkMutation(sets: readonly HeaderSet[], removals: readonly string[], fail: Fail): void {
  if (sets.length > OPERATIONS_MAX || removals.length > OPERATIONS_MAX) fail("more than 100 header operations (3.8)");
  for (const { name, value } of sets) {
    if (!/^:?[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) fail(`header name ${JSON.stringify(name)} (3.8)`);
    if (/[\r\n\0]/.test(value)) fail(`a line end in the value of ${name} (3.8)`);
    if (isGuarded(name)) fail(`${name} cannot be set (3.6)`);
  }
  for (const name of removals) if (isGuarded(name) || name.startsWith(":")) fail(`${name} cannot be removed (3.6)`);
}

function isGuarded(name: string): boolean {
  return [":method", ":scheme", ":authority", "host"].includes(name) || name.startsWith("x-envoy-");
}

function total(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

export function directionOf(kind: Kind | PhaseKind): "request" | "response" {
  return kind % 2 === 0 ? "request" : "response"; // the oneof alternates
}
