/** The suite is as good as its Envoy: what that must not let pass. */
import { describe, expect, test } from "vitest";
import {
  BodyMode,
  type ContinueAnswer,
  continueAnswer,
  immediateAnswer,
  Kind,
  type PhaseKind,
} from "../../extproc/messages/messages.ts";
import { EnvoySide, type Setup } from "./envoy-side.ts";

const { BUFFERED, STREAMED, FULL_DUPLEX_STREAMED: DUPLEX } = BodyMode;
const BODY = { body: Buffer.from("abc"), endOfStream: true };
const answer = (kind: PhaseKind, parts: Partial<ContinueAnswer> = {}) => ({ ...continueAnswer(kind), ...parts });
const headers = answer(Kind.requestHeaders);
const body = (parts: Partial<ContinueAnswer> = {}) => answer(Kind.requestBody, parts);
const chunk = (text: string, endOfStream = false) => body({ streamed: true, body: Buffer.from(text), endOfStream });
const length = (value: string) => [{ name: "content-length", value, append: false }];

/** What is wrong with these answers to a request of three bytes. */
function judged(mode: BodyMode, answers: Parameters<EnvoySide["take"]>[0][], setup: Setup = {}): string[] {
  const envoy = new EnvoySide({ request: mode, ...setup });
  envoy.message(Kind.requestHeaders, { headers: [":method", "POST", "content-length", "3"] });
  envoy.message(Kind.requestBody, BODY);
  for (const each of answers) envoy.take(each);
  envoy.finish();
  return envoy.failures;
}

describe("answers that Envoy takes", () => {
  test.each([
    ["BUFFERED", BUFFERED, [headers, body()]],
    ["BUFFERED, replaced", BUFFERED, [headers, body({ body: Buffer.from("longer"), setHeaders: length("6") })]],
    ["STREAMED, replaced", STREAMED, [headers, body({ body: Buffer.from("longer") })]],
    ["full duplex", DUPLEX, [headers, chunk("a"), chunk("b"), chunk("", true)]],
    ["a reply", DUPLEX, [immediateAnswer(403, [], Buffer.from("no"), "")]],
  ] as const)("%s", (_name, mode, answers) => expect(judged(mode, [...answers])).toEqual([]));
});

describe("answers that Envoy fails on, or that lose something", () => {
  test.each([
    ["none", BUFFERED, [], "is missing"],
    ["no body answer", STREAMED, [headers], "is missing"],
    ["no end of stream", DUPLEX, [headers, chunk("abc")], "is missing"],
    ["two headers answers", BUFFERED, [headers, headers], "nothing asked for"],
    ["two body answers", STREAMED, [headers, body(), body()], "nothing asked for"],
    ["the other direction's", BUFFERED, [answer(Kind.responseHeaders)], "nothing asked for"],
    ["the body before the headers", DUPLEX, [chunk("abc", true), headers], "before the headers"],
    ["a plain body under full duplex", DUPLEX, [headers, body()], "not streamed"],
    ["a streamed body elsewhere", BUFFERED, [headers, chunk("abc", true)], "outside full duplex"],
    ["a chunk behind the end", DUPLEX, [headers, chunk("abc", true), chunk("", true)], "own end of stream"],
    ["a chunk too large", DUPLEX, [headers, chunk("x".repeat(70_000), true)], "70000 bytes"],
    ["an answer behind a reply", BUFFERED, [immediateAnswer(403, [], BODY.body, ""), headers], "behind an immediate"],
    ["a reply of no status", BUFFERED, [immediateAnswer(0, [], BODY.body, "")], "status 0"],
    ["a body and the old length", BUFFERED, [headers, body({ body: Buffer.from("longer") })], "content-length"],
    ["the old body and a new length", BUFFERED, [headers, body({ setHeaders: length("2") })], "content-length"],
    ["headers in a STREAMED body answer", STREAMED, [headers, body({ removeHeaders: ["x"] })], "is ignored"],
    ["a host", BUFFERED, [answer(2, { setHeaders: [{ name: "host", value: "x", append: false }] })], "cannot be set"],
    ["a line end", BUFFERED, [answer(2, { setHeaders: [{ name: "a", value: "x\r\n", append: false }] })], "line end"],
  ] as const)("%s", (_name, mode, answers, wanted) => {
    expect(judged(mode, [...answers]).join("; ")).toContain(wanted);
  });

  test("a length that is kept (facts 2.7)", () => {
    const answers = [headers, chunk("longer", true)];
    expect(judged(DUPLEX, answers)).toEqual([]);
    expect(judged(DUPLEX, answers, { keepsContentLength: true }).join()).toContain("content-length 3 before 6 bytes");
  });

  test("an end in the middle of full duplex (facts 5.14)", () => {
    const envoy = new EnvoySide({ request: DUPLEX });
    envoy.message(Kind.requestHeaders);
    envoy.message(Kind.requestBody, BODY);
    envoy.take(headers);
    envoy.takeEnd(0);
    expect(envoy.failures.join()).toContain("ended before everything came back");
  });

  test("a call that fails", () => {
    const envoy = new EnvoySide({});
    envoy.takeEnd(13);
    expect(envoy.failures.join()).toContain("gRPC status 13");
  });
});
