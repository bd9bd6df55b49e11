/** Envoy's side of one exchange: both directions, the reply that may end it, overrides, and how the call ended. */
import {
  BodyMode,
  type ContinueAnswer,
  IMMEDIATE_RESPONSE,
  type ImmediateAnswer,
  Kind,
  MORE_TIME,
  type ModeOverride,
  NO_BYTES,
  type ProcessingRequest,
  type ProcessingResponse,
} from "../../extproc/messages/messages.ts";
import { checkMutation, directionOf, EnvoyDirection } from "./envoy-direction.ts";

/** How Envoy is configured; left out: NONE and false. */
export type Setup = {
  request?: BodyMode;
  response?: BodyMode;
  observes?: boolean;
  sendBodyWithoutWaiting?: boolean;
  /** allow_content_length_header (facts 2.7) */
  keepsContentLength?: boolean;
};

export class EnvoySide {
  readonly setup: Setup;
  readonly failures: string[] = [];
  readonly request: EnvoyDirection;
  readonly response: EnvoyDirection;
  reply: ImmediateAnswer | undefined = undefined;
  answers = 0;
  /** gRPC status of the call once it has ended; -1: reset */
  status: number | undefined = undefined;
  /** the client has broken the protocol, so the server may fail the call */
  broken = false;
  private first = true;

  constructor(setup: Setup) {
    this.setup = setup;
    const keeps = setup.keepsContentLength === true;
    const fail = (what: string) => void this.failures.push(what);
    this.request = new EnvoyDirection("request", setup.request ?? BodyMode.NONE, keeps, fail);
    this.response = new EnvoyDirection("response", setup.response ?? BodyMode.NONE, keeps, fail);
  }

  /** No answer of the server can change anything any more. */
  get isOver(): boolean {
    return this.reply !== undefined || this.status !== undefined;
  }

  get isSettled(): boolean {
    return this.isOver || (this.request.isSettled && this.response.isSettled);
  }

  /** A message as this Envoy would write it: the first one says how it is configured (facts 9.1). */
  message(kind: Kind, parts: Partial<ProcessingRequest> = {}): ProcessingRequest {
    const observes = this.setup.observes === true;
    const configured = this.first && !observes;
    this.first = false;
    const message: ProcessingRequest = {
      kind,
      headers: [],
      body: NO_BYTES,
      endOfStream: false,
      observabilityMode: observes,
      protocolConfig: configured ? this.protocolConfig() : undefined,
      attributes: undefined,
      ...parts,
    };
    if (kind !== Kind.none && !observes) this[directionOf(kind)].recordSent(message);
    return message;
  }

  private protocolConfig() {
    return {
      requestBodyMode: this.request.configured,
      responseBodyMode: this.response.configured,
      sendBodyWithoutWaitingForHeaderResponse: this.setup.sendBodyWithoutWaiting === true,
    };
  }

  take(answer: ProcessingResponse): void {
    this.answers++;
    if (this.setup.observes) this.failures.push("an answer in observability mode (13.2)");
    else if (this.reply !== undefined) this.failures.push("an answer behind an immediate response");
    else if (answer.kind === IMMEDIATE_RESPONSE) this.takeReply(answer);
    else if (answer.kind === MORE_TIME) this.takeMoreTime();
    else this.takeContinue(answer);
  }

  // No answer: Envoy's timer, which runs only while it waits and not at all under full duplex (facts 5.11, 14.3).
  private takeMoreTime(): void {
    this.answers--;
    if (this.isSettled) this.failures.push("more time for nothing that is waited for");
  }

  private takeContinue(answer: ContinueAnswer): void {
    const direction = this[directionOf(answer.kind)];
    if (answer.kind === Kind.requestHeaders || answer.kind === Kind.responseHeaders) {
      direction.takeHeaders(answer);
      if (answer.modeOverride !== undefined) this.takeOverride(answer.modeOverride);
    } else if (answer.kind === Kind.requestBody || answer.kind === Kind.responseBody) direction.takeBody(answer);
    else direction.takeTrailers(answer);
  }

  private takeReply(reply: ImmediateAnswer): void {
    this.reply = reply;
    if (reply.status < 200 || reply.status > 599)
      this.failures.push(`an immediate response of status ${reply.status} (12.2)`);
    if ([204, 304].includes(reply.status) && reply.body.length > 0)
      this.failures.push("a body on a status without one (12.2)");
    checkMutation(reply.headers, [], (what) => this.failures.push(`immediate response: ${what}`));
  }

  // Facts 10.1: ignored wherever full duplex or send_body_without_waiting is configured.
  private takeOverride(modes: ModeOverride): void {
    const { request, response } = this;
    const isDuplex = [request.configured, response.configured].includes(BodyMode.FULL_DUPLEX_STREAMED);
    if (isDuplex || this.setup.sendBodyWithoutWaiting) return;
    request.override(modes.requestBodyMode);
    response.override(modes.responseBodyMode);
  }

  /** The server ended the call. */
  takeEnd(status: number): void {
    this.status = status;
    if (status !== 0 && !this.broken) this.failures.push(`the call failed with gRPC status ${status} (11.3)`);
    if (status !== 0 || this.reply !== undefined || this.setup.observes) return;
    this.request.closeOk();
    this.response.closeOk();
  }

  /** Everything was sent: what is still missing is a failure. */
  finish(): void {
    if (this.setup.observes || this.reply !== undefined || this.broken) return;
    if (this.status !== undefined && this.status !== 0) return; // said already
    this.request.finish();
    this.response.finish();
  }
}
