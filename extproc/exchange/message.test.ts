import { describe, expect, test } from "vitest";
import {
  BodyMode,
  type ContinueAnswer,
  IMMEDIATE_RESPONSE,
  Kind,
  MORE_TIME,
  type ProcessingRequest,
  type ProcessingResponse,
} from "../messages/messages.ts";
import { buffered, message, reading, refusing, replacing, type Script, setUp } from "./testing.ts";
import { type Decision, newDecision } from "./treatment.ts";

const POST = [":method", "POST"];
const { BUFFERED, BUFFERED_PARTIAL, STREAMED, FULL_DUPLEX_STREAMED: DUPLEX, GRPC } = BodyMode;

/** An exchange whose request came so far as its headers. */
function begun(mode: BodyMode, script: Script, headers: string[] = POST, more: Partial<ProcessingRequest> = {}) {
  const up = setUp({ request: script });
  const protocolConfig = { ...buffered, requestBodyMode: mode, responseBodyMode: mode };
  up.exchange.recv(message(Kind.requestHeaders, { protocolConfig, headers, ...more }));
  const body = (text: string, endOfStream = false) =>
    up.exchange.recv(message(Kind.requestBody, { body: Buffer.from(text), endOfStream }));
  const trailers = () => up.exchange.recv(message(Kind.requestTrailers));
  return { ...up, body, trailers };
}

const sized = (bytes: number) => [...POST, "content-length", String(bytes), "etag", '"1"'];

function looking(pieces = false): Decision {
  return { ...newDecision("read"), pieces };
}

function inPieces(): Decision {
  return { ...reading(), pieces: true };
}

/** The answers in short: kind, and of a body what it says. */
function short(sent: ProcessingResponse[]): string[] {
  return sent.map((answer) => {
    if (answer.kind === IMMEDIATE_RESPONSE) return "reply";
    if (answer.kind === MORE_TIME) return "more time";
    const end = answer.endOfStream ? " end" : "";
    return `${answer.kind}${answer.body === undefined ? "" : ` ${Buffer.from(answer.body).toString()}`}${end}`;
  });
}

describe("BUFFERED", () => {
  test("is whole with its one message, also in front of trailers", () => {
    const { asked, sent, body, trailers } = begun(BUFFERED, { body: replacing("new") });
    body("old");
    trailers();
    expect(asked.at(-1)).toBe("request body old");
    expect(short(sent)).toEqual(["2", "4 new", "6"]);
  });

  test("is whole also where it is only looked at", () => {
    const { asked, body } = begun(BUFFERED, { headers: looking() });
    body("text");
    expect(asked.at(-1)).toBe("request body text");
  });

  test("trailers without a body can still be refused", () => {
    const { sent, trailers } = begun(BUFFERED, { body: refusing() });
    trailers();
    expect(short(sent)).toEqual(["2", "reply"]);
  });

  test("an empty message behind the body is answered and asks nobody", () => {
    const { asked, sent, ends, body } = begun(BUFFERED, {});
    body("text");
    body("", true);
    expect(short(sent)).toEqual(["2", "4", "4"]);
    expect(asked.filter((question) => question.includes("body"))).toHaveLength(1);
    expect(ends).toEqual([]);
  });
});

describe("BUFFERED_PARTIAL", () => {
  test.each([
    ["text", true, POST, "request body text"],
    ["text", false, sized(4), "request body text"],
    ["text", false, sized(3), "request body text and more"],
    ["text", false, POST, "request body text and more"],
  ] as const)("%s, end %s, headers %j: %s", (text, end, headers, wanted) => {
    const { asked, body } = begun(BUFFERED_PARTIAL, {}, [...headers]);
    body(text, end);
    expect(asked.at(-1)).toBe(wanted);
  });

  test("what describes the body leaves with the headers, before the verdict", () => {
    const { sent } = begun(BUFFERED_PARTIAL, {}, sized(4));
    expect((sent[0] as ContinueAnswer).removeHeaders).toEqual(["content-length", "etag"]);
  });
});

describe("STREAMED", () => {
  test("keeps chunks back until content-length is reached", () => {
    const { sent, body } = begun(STREAMED, { body: replacing("new") }, sized(6));
    body("abc");
    body("def");
    body("", true);
    expect(short(sent)).toEqual(["2", "4 ", "4 new", "4"]);
  });

  test("more than content-length says is not let by", () => {
    const { sent, ends, body } = begun(STREAMED, {}, sized(3));
    body("abc");
    body("def", true);
    expect(short(sent)).toEqual(["2", "4 abc"]);
    expect(ends).toEqual(["fail 3"]);
  });

  test("less than content-length says, and then trailers: what was kept back has no place any more", () => {
    const { ends, body, trailers } = begun(STREAMED, {}, sized(100));
    body("abc");
    trailers();
    expect(ends).toEqual(["fail 3"]);
  });

  test("no further chunk is kept back once the treatment has enough", () => {
    const { sent, body } = begun(STREAMED, { more: newDecision("pass") }, sized(6));
    body("abc");
    body("def", true);
    expect(short(sent)).toEqual(["2", "4 abc", "4"]);
  });

  test("a response's override leaves the request's mode alone while its body is coming", () => {
    const { exchange, sent } = setUp({ request: { headers: looking() }, response: { headers: newDecision("pass") } });
    const protocolConfig = { ...buffered, requestBodyMode: STREAMED, responseBodyMode: STREAMED };
    exchange.recv(message(Kind.requestHeaders, { protocolConfig, headers: [...POST, "content-length", "3"] }));
    exchange.recv(message(Kind.requestBody, { body: Buffer.from("abc") }));
    exchange.recv(message(Kind.responseHeaders, { headers: [":status", "200"] }));
    expect((sent.at(-1) as ContinueAnswer).modeOverride).toMatchObject({
      requestBodyMode: STREAMED,
      responseBodyMode: BodyMode.NONE,
    });
  });

  test("half-closed while chunks are kept back: the call fails instead of losing them", () => {
    const { exchange, ends, body } = begun(STREAMED, {}, sized(6));
    body("abc");
    exchange.recvEnd();
    expect(ends).toEqual(["fail 3"]);
  });
});

describe("FULL_DUPLEX_STREAMED", () => {
  test("headers wait for the verdict on the body", () => {
    const { sent, body } = begun(DUPLEX, { body: replacing("new") }, sized(6));
    body("abc");
    body("def");
    expect(sent).toEqual([]);
    body("", true);
    expect(short(sent)).toEqual(["2", "4 new end"]);
    expect((sent[0] as ContinueAnswer).removeHeaders).toEqual(["content-length", "etag"]);
  });

  test("trailers end a body; its end of stream is not said twice", () => {
    const { sent, body, trailers } = begun(DUPLEX, {});
    body("abc");
    trailers();
    expect(short(sent)).toEqual(["2", "4 abc", "6"]);
  });

  test("trailers without a body", () => {
    const { sent, trailers } = begun(DUPLEX, {});
    trailers();
    expect(short(sent)).toEqual(["2", "6"]);
  });

  test("an empty end behind the end is not answered", () => {
    const { sent, ends, body } = begun(DUPLEX, {});
    body("abc", true);
    body("", true);
    expect(short(sent)).toEqual(["2", "4 abc end"]);
    expect(ends).toEqual([]);
  });

  test("bytes behind the end fail the call", () => {
    const { ends, body } = begun(DUPLEX, { headers: newDecision("pass") });
    body("abc", true);
    body("def", true);
    expect(ends).toEqual(["fail 3"]);
  });

  test("no chunk is larger than others take, echoed or not", () => {
    for (const headers of [newDecision("pass"), reading(), inPieces()]) {
      const { sent, body } = begun(DUPLEX, { headers });
      body("x".repeat(150_000), true);
      const chunks = sent.slice(1) as ContinueAnswer[];
      expect(chunks.map((chunk) => chunk.body?.length)).toEqual([62_000, 62_000, 26_000]);
      expect(chunks.map((chunk) => chunk.endOfStream)).toEqual([false, false, true]);
    }
  });

  test("a verdict on the first chunk lets the rest by as it comes", () => {
    const { sent, body } = begun(DUPLEX, { more: newDecision("pass") });
    body("");
    body("abc");
    expect(short(sent)).toEqual(["2", "4 abc"]);
    body("def", true);
    expect(short(sent)).toEqual(["2", "4 abc", "4 def end"]);
  });

  test("pieces: headers go at once, a piece whose treatment leaves it alone goes as it came", () => {
    const { sent, asked, body, trailers } = begun(DUPLEX, { headers: inPieces() });
    body("abc");
    trailers();
    expect(short(sent)).toEqual(["2", "4 abc", "6"]);
    expect(asked.slice(1)).toEqual(["request piece abc", "request piece  last"]);
  });

  test("a half-close in the middle of a held body fails the call", () => {
    const { exchange, ends, body } = begun(DUPLEX, {});
    body("abc");
    exchange.recvEnd();
    expect(ends).toEqual(["fail 3"]);
  });
});

test("GRPC: a message is not torn, and its end is not said twice", () => {
  const { sent, body } = begun(GRPC, { headers: newDecision("pass") });
  body("x".repeat(70_000), true);
  body("", true);
  expect((sent[1] as ContinueAnswer).body).toHaveLength(70_000);
  expect(sent).toHaveLength(2);
});

describe("a response refused after its headers went is counted", () => {
  const protocolConfig = { ...buffered, responseBodyMode: STREAMED };
  const headers = [":status", "200", "content-length", "3"];
  const body = { body: Buffer.from("abc"), endOfStream: true };

  test("answered by us", () => {
    const { exchange, asked } = setUp({ response: { body: refusing() } });
    exchange.recv(message(Kind.responseHeaders, { protocolConfig, headers }));
    exchange.recv(message(Kind.responseBody, body));
    expect(asked).toContain("cut");
  });

  test("never shown to us", () => {
    const { exchange, asked } = setUp({ response: { headers: refusing() } });
    exchange.recv(message(Kind.responseBody, { protocolConfig, ...body }));
    expect(asked).toContain("cut");
  });
});

describe("observability mode", () => {
  const observed = { observabilityMode: true, protocolConfig: undefined } as const;

  test("a verdict stops nothing: the response is seen all the same, then the call ends", () => {
    const { exchange, sent, ends, asked } = setUp({
      request: { headers: refusing() },
      response: { headers: looking() },
    });
    exchange.recv(message(Kind.requestHeaders, { ...observed, headers: POST }));
    exchange.recv(message(Kind.requestBody, { ...observed, body: Buffer.from("abc"), endOfStream: true }));
    exchange.recv(message(Kind.responseHeaders, { ...observed, headers: [":status", "200"] }));
    exchange.recv(message(Kind.responseBody, { ...observed, body: Buffer.from("def"), endOfStream: true }));
    expect(asked).toContain("response body def");
    expect(sent).toEqual([]);
    expect(ends).toEqual(["end"]);
  });
});
