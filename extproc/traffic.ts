/** Counts what passes between a transport and the exchanges: streams, messages by phase, bytes of bodies. */
import type { Family } from "../engine/runtime/exposition.ts";
import { family } from "../engine/runtime/metrics.ts";
import {
  IMMEDIATE_RESPONSE,
  Kind,
  MORE_TIME,
  type ProcessingRequest,
  type ProcessingResponse,
} from "./messages/messages.ts";
import { type Accept, type Call, type CallHandler, GrpcStatus } from "./transport.ts";

export type Traffic = {
  /** Counts what goes through. */
  watch(accept: Accept): Accept;
  families(): Family[];
};

type Counts = {
  streams: number;
  open: number;
  /** by kind */
  received: number[];
  sent: number[];
  bytesReceived: number;
  bytesSent: number;
};

export function newTraffic(): Traffic {
  const kinds = MORE_TIME + 1;
  const counts: Counts = {
    streams: 0,
    open: 0,
    received: new Array<number>(kinds).fill(0),
    sent: new Array<number>(kinds).fill(0),
    bytesReceived: 0,
    bytesSent: 0,
  };
  return {
    watch: (accept) => (call, metadata) => {
      const watched = new Watched(call, counts);
      watched.handler = accept(watched, metadata);
      counts.streams++;
      counts.open++;
      return watched;
    },
    families: () => families(counts),
  };
}

/** Stands on both sides of one call. */
class Watched implements Call, CallHandler {
  handler: CallHandler = NOBODY;
  private readonly call: Call;
  private readonly counts: Counts;

  constructor(call: Call, counts: Counts) {
    this.call = call;
    this.counts = counts;
  }

  recv(message: ProcessingRequest): void {
    (this.counts.received[message.kind] as number)++;
    this.counts.bytesReceived += message.body.length;
    this.handler.recv(message);
  }

  recvUnread(): void {
    if (this.handler.recvUnread !== undefined) this.handler.recvUnread();
    else this.fail(GrpcStatus.RESOURCE_EXHAUSTED, "agglo: no memory is left for this message");
  }

  recvEnd(): void {
    this.handler.recvEnd();
  }

  closed(): void {
    this.counts.open--;
    this.handler.closed();
  }

  send(answer: ProcessingResponse): void {
    (this.counts.sent[answer.kind] as number)++;
    if ("body" in answer && answer.body !== undefined) this.counts.bytesSent += answer.body.length;
    this.call.send(answer);
  }

  end(): void {
    this.call.end();
  }

  fail(code: number, message: string): void {
    this.call.fail(code, message);
  }

  failBug(error: unknown): void {
    this.call.failBug(error);
  }
}

/** Of a call whose exchange is being made. */
const NOBODY: CallHandler = { recv() {}, recvEnd() {}, closed() {} };

const PHASES: readonly (readonly [kind: number, phase: string])[] = [
  [Kind.requestHeaders, "request_headers"],
  [Kind.requestBody, "request_body"],
  [Kind.requestTrailers, "request_trailers"],
  [Kind.responseHeaders, "response_headers"],
  [Kind.responseBody, "response_body"],
  [Kind.responseTrailers, "response_trailers"],
];

function families(counts: Counts): Family[] {
  const byPhase = (numbers: readonly number[], phases: readonly (readonly [kind: number, phase: string])[]) =>
    phases.map(([kind, phase]) => [[["phase", phase]], numbers[kind] as number] as const);
  const answers = [...PHASES, [IMMEDIATE_RESPONSE, "immediate_response"], [MORE_TIME, "more_time"]] as const;
  return [
    family(
      "counter",
      "agglo_streams_total",
      "Streams that the proxy opened: one per exchange and filter.",
      counts.streams,
    ),
    family("gauge", "agglo_streams_open", "Streams that are open.", counts.open),
    family(
      "counter",
      "agglo_phase_messages_total",
      "Messages of the proxy, by phase.",
      byPhase(counts.received, PHASES),
    ),
    family("counter", "agglo_answers_total", "Answers to the proxy, by phase.", byPhase(counts.sent, answers)),
    family("counter", "agglo_body_bytes_received_total", "Bytes of bodies that came.", counts.bytesReceived),
    family("counter", "agglo_body_bytes_sent_total", "Bytes of bodies in answers.", counts.bytesSent),
  ];
}
