/** An exchange with a treatment that follows a script, and what it answered. */
import {
  BodyMode,
  immediateAnswer,
  type Kind,
  type ProcessingRequest,
  type ProcessingResponse,
  type ProtocolConfig,
} from "../messages/messages.ts";
import type { Call } from "../transport.ts";
import { Exchange } from "./exchange.ts";
import { type Decision, newDecision, type Treatment } from "./treatment.ts";

export const buffered: ProtocolConfig = {
  requestBodyMode: BodyMode.BUFFERED,
  responseBodyMode: BodyMode.BUFFERED,
  sendBodyWithoutWaitingForHeaderResponse: false,
};

export function message(kind: Kind, more: Partial<ProcessingRequest> = {}): ProcessingRequest {
  return {
    kind,
    headers: [],
    body: new Uint8Array(0),
    endOfStream: false,
    observabilityMode: false,
    protocolConfig: undefined,
    attributes: undefined,
    ...more,
  };
}

export type Script = {
  headers?: Decision | Promise<Decision>;
  body?: Decision | Promise<Decision>;
  more?: Decision;
  piece?: Decision | Promise<Decision>;
  stopped?: Decision;
};

type Scripts = {
  request?: Script;
  response?: Script;
  patienceMs?: number;
  /** for what has to wait */
  memoryBytes?: number;
  /** whether a message of either direction matters; true when left out */
  expects?: boolean;
};

export function setUp(script: Scripts) {
  const memory = { left: script.memoryBytes ?? Number.POSITIVE_INFINITY };
  const sent: ProcessingResponse[] = [];
  const ends: string[] = [];
  const asked: string[] = [];
  const call: Call = {
    send: (answer) => sent.push(answer),
    end: () => ends.push("end"),
    fail: (code) => ends.push(`fail ${code}`),
    failBug: () => ends.push("bug"),
  };
  const treatment: Treatment = {
    expects: () => script.expects ?? true,
    tryHold: (bytes) => {
      if (bytes > memory.left) return false;
      memory.left -= bytes;
      return true;
    },
    unhold: (bytes) => {
      memory.left += bytes;
    },
    stopped: (direction, reason) => {
      asked.push(`${direction} ${reason}`);
      return script[direction]?.stopped ?? newDecision("pass");
    },
    patienceMs: () => script.patienceMs ?? 0,
    recvHeaders: (direction, _headers, endOfStream, delivery) => {
      asked.push(`${direction} headers ${endOfStream} ${delivery}`);
      return script[direction]?.headers ?? reading();
    },
    recvMore: (direction, chunk) => (chunk.length === 0 ? undefined : script[direction]?.more),
    recvBody: (direction, body, complete) => {
      asked.push(`${direction} body ${Buffer.from(body).toString()}${complete ? "" : " and more"}`);
      return script[direction]?.body ?? newDecision("pass");
    },
    recvPiece: (direction, piece, last) => {
      asked.push(`${direction} piece ${Buffer.from(piece).toString()}${last ? " last" : ""}`);
      return script[direction]?.piece ?? newDecision("pass");
    },
    replyCut: () => asked.push("cut"),
    closed: () => asked.push("closed"),
  };
  return { exchange: new Exchange(call, treatment), sent, ends, asked, memory };
}

export function reading(): Decision {
  const decision = newDecision("read");
  decision.holds = true;
  return decision;
}

export function replacing(text: string): Decision {
  const decision = newDecision("replace");
  decision.body = Buffer.from(text);
  return decision;
}

export function refusing(): Decision {
  const decision = newDecision("reply");
  decision.reply = immediateAnswer(422, [], Buffer.from("no"), "agglo");
  return decision;
}
