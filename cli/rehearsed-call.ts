/** One ext_proc call from Envoy's side, without a network: messages in, answers out. */
import { type Needs, ROUTE_MARK, routeMark } from "../engine/core/routes/needs.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { fixedRuntime } from "../engine/runtime/generations.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import {
  type Answer,
  BodyMode,
  MORE_TIME,
  type PhaseKind,
  type ProcessingRequest,
  type ProcessingResponse,
} from "../extproc/messages/messages.ts";
import { acceptExchanges } from "../extproc/server.ts";

export type RehearsedCall = {
  /** what still is to be sent, by now; answers may lower it */
  sends: { [direction in "request" | "response"]: { headers: boolean; body: BodyMode } };
  /** every answer that was taken, in order */
  answers: Answer[];
  tell(kind: PhaseKind, content: Partial<ProcessingRequest>): void;
  /** Takes the next answer. Rejects where the server has ended or failed the call instead. */
  answer(): Promise<Answer>;
  close(): void;
};

const MODES: { readonly [need in Needs["requestBody"]]: BodyMode } = {
  none: BodyMode.NONE,
  buffered: BodyMode.BUFFERED,
  streamed: BodyMode.STREAMED,
  duplex: BodyMode.FULL_DUPLEX_STREAMED,
};

/** A call as Envoy opens it for a route of the generated configuration. */
export function openCall(runtime: Runtime, route: RoutePlan, need: Needs): RehearsedCall {
  const untaken: Answer[] = [];
  let broken: Error | undefined;
  let wake = (): void => {};
  const breakOff = (why: string): void => {
    broken = new Error(why);
    wake();
  };
  const call = {
    send(answer: ProcessingResponse): void {
      if (answer.kind === MORE_TIME) return; // nobody here loses patience
      untaken.push(keep(answer));
      wake();
    },
    end: () => breakOff("the server ended the call before it had answered"),
    fail: (code: number, message: string) =>
      breakOff(`the server failed the call with gRPC status ${code}: ${message}`),
    failBug: (error: unknown) => breakOff(`a bug of ours: ${error instanceof Error ? error.stack : String(error)}`),
  };
  const mark = routeMark(route);
  const handler = acceptExchanges(fixedRuntime(runtime))(call, (name) => (name === ROUTE_MARK ? mark : undefined));
  const sends: RehearsedCall["sends"] = {
    request: { headers: need.requestHeaders, body: MODES[need.requestBody] },
    response: { headers: need.responseHeaders, body: MODES[need.responseBody] },
  };
  const protocolConfig = {
    requestBodyMode: sends.request.body,
    responseBodyMode: sends.response.body,
    sendBodyWithoutWaitingForHeaderResponse: false,
  };
  const answers: Answer[] = [];
  let isFirst = !need.observes; // in observability mode nothing is said of the modes (facts 9.1)
  return {
    sends,
    answers,
    tell(kind, content) {
      if (broken !== undefined) return; // the call is over: in observability mode nobody minds
      handler.recv({
        ...EMPTY,
        kind,
        observabilityMode: need.observes,
        ...(isFirst ? { protocolConfig } : {}),
        ...content,
      });
      isFirst = false;
    },
    async answer() {
      while (untaken.length === 0) {
        if (broken !== undefined) throw broken;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const answer = untaken.shift() as Answer;
      answers.push(answer);
      return answer;
    },
    close: () => handler.closed(),
  };
}

const EMPTY = {
  headers: [],
  body: new Uint8Array(0),
  endOfStream: false,
  protocolConfig: undefined,
  attributes: undefined,
};

// The server may use an answer's body again (transport.ts).
function keep(answer: Answer): Answer {
  return answer.body === undefined ? answer : { ...answer, body: answer.body.slice() };
}
