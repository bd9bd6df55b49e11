import { expect, test } from "vitest";
import { ExchangeRecord } from "./exchange-record.ts";

const FACTS = { method: "POST", path: "/a", host: "h", scheme: "http", requestId: "", headers: [] };

/** The request's body in the event of an exchange that keeps so many bytes. */
function kept(body: string, bodyBytes: number): unknown {
  const record = new ExchangeRecord("r", bodyBytes, 0);
  record.noteRequest(FACTS);
  record.noteBody("request", Buffer.from(body));
  return (record.event(1).request as { body?: unknown }).body;
}

test.each([
  ["aü", 3, "aü"],
  ["aüb", 3, "aü"],
  ["aüb", 2, "a"],
  ["a€b", 4, "a€"],
  ["a€b", 3, "a"],
  ["a😀b", 5, "a😀"],
  ["a😀b", 4, "a"],
  ["a😀b", 3, "a"],
  ["abc", 2, "ab"],
])("of %j %i bytes keep %j: a character that is all there stays, one that is cut goes", (body, bytes, expected) => {
  expect(kept(body, bytes)).toBe(expected);
});
