/** What an exchange asks of whoever knows the rules, and what it is told (server.ts). */
import type { HeaderSet, ImmediateAnswer, JsonObject } from "../messages/messages.ts";

export type Direction = "request" | "response";

/**
 * How a message's body reaches us, and so what can be done about it:
 *
 *   none    it does not
 *   whole   all of it before any of it goes on (BUFFERED)
 *   behind  all of it before any of it goes on, behind the headers (STREAMED where content-length says when that is)
 *   start   its beginning before any of it goes on; the rest goes on unseen (BUFFERED_PARTIAL)
 *   pieces  as whole, or piece by piece, each before it goes on (FULL_DUPLEX_STREAMED)
 *   copy    it cannot be held up, only looked at (STREAMED without a content-length, observability mode)
 */
export type Delivery = "none" | "whole" | "behind" | "start" | "pieces" | "copy";

/** What is to become of a message. */
export type Decision = {
  /** pass: as it is; read: ask again with the body; replace: `body` instead of what came; reply: `reply` */
  action: "pass" | "read" | "replace" | "reply";
  /** of `read`: nothing of the message goes on before the treatment has said so */
  holds: boolean;
  /** of `read`: the body comes by recvPiece as it arrives, otherwise by recvBody when all of it is there */
  pieces: boolean;
  setHeaders: HeaderSet[];
  removeHeaders: string[];
  body: Uint8Array | undefined;
  reply: ImmediateAnswer | undefined;
  metadata: JsonObject | Uint8Array | undefined;
};

export function newDecision(action: Decision["action"]): Decision {
  return {
    action,
    holds: false,
    pieces: false,
    setHeaders: [],
    removeHeaders: [],
    body: undefined,
    reply: undefined,
    metadata: undefined,
  };
}

/**
 * All but `closed` may answer later; the exchange asks nothing more before that. An answer to a message that is not held
 * up changes nothing.
 */
export type Treatment = {
  /** A message begins. `headers` undefined: the proxy sends its body without them. `endOfStream`: there is no body. */
  recvHeaders(
    direction: Direction,
    headers: readonly string[] | undefined,
    endOfStream: boolean,
    delivery: Delivery,
  ): Decision | Promise<Decision>;
  /** A chunk more of a body has been collected: undefined to go on, a decision to collect no further. */
  recvMore(direction: Direction, chunk: Uint8Array): Decision | undefined;
  /** The collected body; `complete` false: there is more, which goes on unseen. */
  recvBody(direction: Direction, body: Uint8Array, complete: boolean): Decision | Promise<Decision>;
  /** The next piece of a body. `replace` sends on what may go on now, which may be nothing. */
  recvPiece(direction: Direction, piece: Uint8Array, last: boolean): Decision | Promise<Decision>;
  /** Takes memory for what has to wait for a decision; false: none is left, and nothing is taken. */
  tryHold(bytes: number): boolean;
  /** Gives it back. */
  unhold(bytes: number): void;
  /** No memory is left for the message, or it has taken too long; it will not come whole: pass or reply. */
  stopped(direction: Direction, reason: "overload" | "timeout"): Decision;
  /** Whether messages of this direction can matter: a call that only observes ends after the last that does. */
  expects(direction: Direction): boolean;
  /** How long a decision may take, in ms, where Envoy might give up before; 0: no longer than it waits. */
  patienceMs(direction: Direction): number;
  /** A reply came too late to be one: headers had gone, so the proxy cuts the exchange. */
  replyCut(): void;
  /** The exchange is over, whatever ended it. Once. */
  closed(): void;
};
