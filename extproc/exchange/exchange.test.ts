import { describe, expect, test, vi } from "vitest";
import {
  BodyMode,
  type ContinueAnswer,
  HeaderMode,
  IMMEDIATE_RESPONSE,
  Kind,
  MORE_TIME,
  type PhaseKind,
  type ProcessingRequest,
} from "../messages/messages.ts";
import { buffered, message, refusing, replacing, setUp } from "./testing.ts";
import { type Decision, newDecision } from "./treatment.ts";

const first = (more: Partial<ProcessingRequest> = {}) =>
  message(Kind.requestHeaders, {
    protocolConfig: buffered,
    headers: [":method", "POST", "content-length", "5"],
    ...more,
  });

describe("each message is answered once, in its own arm", () => {
  test("all six", () => {
    const { exchange, sent } = setUp({});
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    exchange.recv(message(Kind.requestTrailers));
    exchange.recv(message(Kind.responseHeaders));
    exchange.recv(message(Kind.responseBody));
    exchange.recv(message(Kind.responseTrailers));
    expect(sent.map((answer) => answer.kind)).toEqual([2, 4, 6, 3, 5, 7]);
  });

  test("a message of an unknown kind is not", () => {
    const { exchange, sent } = setUp({});
    exchange.recv(message(Kind.none));
    expect(sent).toEqual([]);
  });

  test("nothing is in observability mode, for Envoy reads nothing there", () => {
    const { exchange, sent } = setUp({});
    exchange.recv(first({ observabilityMode: true, protocolConfig: undefined }));
    expect(sent).toEqual([]);
  });
});

describe("content-length agrees with the body (facts 2.1)", () => {
  test("a new body brings its own length where there was one", () => {
    const { exchange, sent } = setUp({ request: { body: replacing("longer body") } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody, { body: Buffer.from("short"), endOfStream: true }));
    const answer = sent[1] as ContinueAnswer;
    expect(Buffer.from(answer.body ?? []).toString()).toBe("longer body");
    expect(answer.setHeaders).toEqual([{ name: "content-length", value: "11", append: false }]);
    expect(answer.removeHeaders).toEqual([]);
  });

  test("and none where there was none", () => {
    const { exchange, sent } = setUp({ request: { body: replacing("x") } });
    exchange.recv(first({ headers: [":method", "POST", "transfer-encoding", "chunked"] }));
    exchange.recv(message(Kind.requestBody));
    expect((sent[1] as ContinueAnswer).setHeaders).toEqual([]);
  });

  test("a body that stays is not sent back, nor its length touched", () => {
    const { exchange, sent } = setUp({});
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody, { body: Buffer.from("short") }));
    expect(sent[1]).toMatchObject({ body: undefined, setHeaders: [], removeHeaders: [] });
  });

  test("a response with a new body loses what described the old one", () => {
    const { exchange, sent } = setUp({ response: { body: replacing("x") } });
    exchange.recv(message(Kind.responseHeaders, { protocolConfig: buffered, headers: ["etag", '"1"'] }));
    exchange.recv(message(Kind.responseBody, { body: Buffer.from("short") }));
    expect((sent[1] as ContinueAnswer).removeHeaders).toContain("etag");
  });
});

describe("a body nobody reads", () => {
  test("is not even sent: its mode is lowered, the other direction's is named", () => {
    const { exchange, sent } = setUp({ request: { headers: newDecision("pass") } });
    exchange.recv(first());
    expect((sent[0] as ContinueAnswer).modeOverride).toMatchObject({
      requestBodyMode: BodyMode.NONE,
      responseBodyMode: BodyMode.BUFFERED,
      requestHeaderMode: HeaderMode.DEFAULT,
      responseHeaderMode: HeaderMode.SEND, // DEFAULT would be the filter's own, SKIP, and not the route's
    });
  });

  test("needs no override where there is none to come", () => {
    const { exchange, sent } = setUp({ request: { headers: newDecision("pass") } });
    exchange.recv(first({ endOfStream: true }));
    expect((sent[0] as ContinueAnswer).modeOverride).toBeUndefined();
  });

  test.each([
    ["STREAMED", BodyMode.STREAMED, "behind", { streamed: false, body: undefined }],
    ["FULL_DUPLEX_STREAMED", BodyMode.FULL_DUPLEX_STREAMED, "pieces", { streamed: true, endOfStream: true }],
  ] as const)("goes on chunk by chunk under %s", (_name, mode, delivery, expected) => {
    const { exchange, sent, asked } = setUp({ request: { headers: newDecision("pass") } });
    exchange.recv(first({ protocolConfig: { ...buffered, requestBodyMode: mode } }));
    exchange.recv(message(Kind.requestBody, { body: Buffer.from("chunk"), endOfStream: true }));
    expect(sent[1]).toMatchObject(expected);
    expect(asked).toEqual([`request headers false ${delivery}`]);
  });
});

describe("a reply", () => {
  test("ends the exchange: what comes afterwards is not answered", () => {
    const { exchange, sent } = setUp({ request: { body: refusing() } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    exchange.recv(message(Kind.responseHeaders));
    expect(sent.map((answer) => answer.kind)).toEqual([2, IMMEDIATE_RESPONSE]);
  });
});

describe("a decision that takes time", () => {
  test("holds later messages back until it is there, in order", async () => {
    let settle: (decision: Decision) => void = () => {};
    const pending = new Promise<Decision>((resolve) => {
      settle = resolve;
    });
    const { exchange, sent, ends } = setUp({ request: { body: pending } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    exchange.recv(message(Kind.responseHeaders, { endOfStream: true }));
    exchange.recvEnd();
    expect(sent).toHaveLength(1);
    settle(replacing("x"));
    await pending;
    await Promise.resolve();
    expect(sent.map((answer) => answer.kind)).toEqual([2, 4, 3] satisfies PhaseKind[]);
    expect(ends).toEqual(["end"]);
  });

  test("on headers holds the body back, and lowers its mode when it need not come", async () => {
    const pending = Promise.resolve(newDecision("pass"));
    const { exchange, sent, asked } = setUp({ request: { headers: pending } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    expect(sent).toEqual([]);
    await pending;
    await Promise.resolve();
    expect(sent.map((answer) => answer.kind)).toEqual([2, 4] satisfies PhaseKind[]);
    expect((sent[0] as ContinueAnswer).modeOverride).toMatchObject({ requestBodyMode: BodyMode.NONE });
    expect(asked).toEqual(["request headers false whole"]);
  });

  test("is dropped when the call is gone", async () => {
    const pending = Promise.resolve(replacing("x"));
    const { exchange, sent, asked } = setUp({ request: { body: pending } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    exchange.closed();
    await pending;
    await Promise.resolve();
    expect(sent).toHaveLength(1);
    expect(asked.at(-1)).toBe("closed");
  });

  test("and fails is our own bug: the call fails, it does not hang", async () => {
    const pending = Promise.reject(new Error("bug"));
    const { exchange, ends } = setUp({ request: { body: pending } });
    exchange.recv(first());
    exchange.recv(message(Kind.requestBody));
    await pending.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toEqual(["bug"]);
  });
});

describe("a peer that breaks the protocol loses this call", () => {
  test.each([
    ["headers twice", [first(), first()]],
    [
      "a second whole body",
      [first(), message(Kind.requestBody), message(Kind.requestBody, { body: Buffer.from("more") })],
    ],
  ])("%s", (_title, messages) => {
    const { exchange, ends } = setUp({});
    for (const each of messages) exchange.recv(each);
    expect(ends).toEqual(["fail 3"]);
  });
});

test("a half-close is answered with the end", () => {
  const { exchange, ends } = setUp({});
  exchange.recv(first());
  exchange.recvEnd();
  expect(ends).toEqual(["end"]);
});

describe("a decision that takes longer than Envoy may wait", () => {
  const slow = (mode: BodyMode) => {
    const up = setUp({ request: { headers: new Promise<Decision>(() => {}) }, patienceMs: 5000 });
    up.exchange.recv(first({ protocolConfig: { ...buffered, requestBodyMode: mode } }));
    return up.sent;
  };

  test("asks for more time first", () => {
    expect(slow(BodyMode.BUFFERED)).toEqual([{ kind: MORE_TIME, timeoutMs: 5000 }]);
  });

  test("does not under full duplex, which has no timeout", () => {
    expect(slow(BodyMode.FULL_DUPLEX_STREAMED)).toEqual([]);
  });
});

describe("what waits behind a decision takes memory", () => {
  const waiting = (memoryBytes: number, mode: BodyMode, overload: Decision) => {
    let decide: (decision: Decision) => void = () => {};
    const headers = new Promise<Decision>((resolve) => {
      decide = resolve;
    });
    const up = setUp({ request: { headers, stopped: overload }, memoryBytes });
    up.exchange.recv(first({ protocolConfig: { ...buffered, requestBodyMode: mode } }));
    return {
      ...up,
      decide,
      body: (text: string) => up.exchange.recv(message(Kind.requestBody, { body: Buffer.from(text) })),
    };
  };

  test("and gives it back when its turn comes, and at the end", async () => {
    const { exchange, memory, decide, body } = waiting(10, BodyMode.FULL_DUPLEX_STREAMED, refusing());
    body("abc");
    body("def");
    expect(memory.left).toBe(4);
    decide(newDecision("pass"));
    await vi.waitFor(() => expect(memory.left).toBe(10));
    const other = waiting(10, BodyMode.FULL_DUPLEX_STREAMED, refusing());
    other.body("abc");
    other.exchange.closed();
    expect(other.memory.left).toBe(10);
    exchange.closed();
    expect(memory.left).toBe(10);
  });

  test("without it the message is refused at once", () => {
    const { sent, body, asked } = waiting(4, BodyMode.FULL_DUPLEX_STREAMED, refusing());
    body("abc");
    body("def");
    expect(asked.at(-1)).toBe("request overload");
    expect(sent.map(({ kind }) => kind)).toEqual([IMMEDIATE_RESPONSE]);
  });

  test("or, where that passes, the call fails: what Envoy has given away it cannot let pass", () => {
    const { ends, body } = waiting(4, BodyMode.FULL_DUPLEX_STREAMED, newDecision("pass"));
    body("abcdef");
    expect(ends).toEqual(["fail 8"]);
  });
});

describe("a message for which the transport has no memory", () => {
  const unread = (mode: BodyMode, overload: Decision, expects: boolean) => {
    const up = setUp({ request: { stopped: overload }, expects });
    up.exchange.recv(first({ protocolConfig: { ...buffered, requestBodyMode: mode } }));
    up.exchange.recvUnread();
    return { kinds: up.sent.map(({ kind }) => kind), ends: up.ends };
  };

  test("is refused", () => {
    const { kinds, ends } = unread(BodyMode.BUFFERED, refusing(), true);
    expect([kinds.at(-1), ends]).toEqual([IMMEDIATE_RESPONSE, []]);
  });

  test("or passes with the end of the call, where nothing else is to be treated", () => {
    expect(unread(BodyMode.BUFFERED, newDecision("pass"), false).ends).toEqual(["end"]);
  });

  test("but not past a rule on the response, nor when only we have what came of it", () => {
    expect(unread(BodyMode.BUFFERED, newDecision("pass"), true).ends).toEqual(["fail 8"]);
    expect(unread(BodyMode.FULL_DUPLEX_STREAMED, newDecision("pass"), false).ends).toEqual(["fail 8"]);
  });
});

describe("an exchange that is to end now", () => {
  const given = (requestMode: BodyMode, script: Parameters<typeof setUp>[0], ...behind: ProcessingRequest[]) => {
    const up = setUp(script);
    up.exchange.recv(first({ protocolConfig: { ...buffered, requestBodyMode: requestMode } }));
    for (const each of behind) up.exchange.recv(each);
    const before = up.sent.length;
    up.exchange.giveUp();
    return { answers: up.sent.slice(before).map(({ kind }) => kind), ends: up.ends, asked: up.asked };
  };
  const never = new Promise<Decision>(() => {});

  test("replies as the policy says, whatever it waits for", () => {
    const headers = given(BodyMode.BUFFERED, { request: { headers: never, stopped: refusing() } });
    expect(headers).toMatchObject({ answers: [IMMEDIATE_RESPONSE], ends: [] });
    const body = given(BodyMode.FULL_DUPLEX_STREAMED, { request: { stopped: refusing() } });
    expect(body).toMatchObject({ answers: [IMMEDIATE_RESPONSE], ends: [] });
  });

  test("never passes a request whose verdict is still to come past its rule", () => {
    const { ends, asked } = given(BodyMode.BUFFERED, {
      request: { headers: never, stopped: refusing() },
      expects: false,
    });
    expect(asked.at(-1)).toBe("request timeout");
    expect(ends).toEqual([]);
  });

  test("fails between request and response where a rule waits for the response, and ends where none does", () => {
    const passed = { request: { headers: newDecision("pass") } };
    expect(given(BodyMode.BUFFERED, { ...passed, expects: true })).toMatchObject({ answers: [], ends: ["fail 8"] });
    expect(given(BodyMode.BUFFERED, { ...passed, expects: false })).toMatchObject({ answers: [], ends: ["end"] });
  });
});
