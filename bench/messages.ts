/**
 * What a message costs to read and to write: the hand-written codec (extproc/messages) against the one that
 * @grpc/proto-loader makes of the same .proto files. `node bench/messages.ts`; takes half a minute.
 *
 * Rounds of the two take turns, so that a busy machine slows both; a line is the median of the rounds, with the
 * smallest and the largest. Ratios travel between machines, nanoseconds do not.
 */
import {
  readProcessingRequest,
  readProcessingResponse,
  sizeOfProcessingResponse,
  writeProcessingRequest,
  writeProcessingResponse,
  writeProcessingResponseAt,
} from "../extproc/messages/codec.ts";
import {
  type ContinueAnswer,
  continueAnswer,
  immediateAnswer,
  Kind,
  NO_BYTES,
  type ProcessingRequest,
} from "../extproc/messages/messages.ts";
import * as oracle from "../extproc/messages/oracle/codec.ts";

const ROUNDS = 15;
const ROUND_MS = 60;
const CHUNK = 500;

/** Where results go, so that no work is dead code. */
const sink: { last: unknown } = { last: undefined };

type Row = { name: string; ours: () => unknown; oracle: () => unknown };

// Twenty headers as a browser behind Envoy sends them: 18 usual names, two of an application's own.
const HEADERS = [
  ...[":authority", "shop.example.com", ":path", "/api/v1/orders/4711?expand=items", ":method", "POST"],
  ...[":scheme", "https", "user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
  ...["accept", "application/json", "accept-language", "en-US,en;q=0.5", "accept-encoding", "gzip, deflate, br, zstd"],
  ...["content-type", "application/json", "content-length", "1024", "origin", "https://shop.example.com"],
  ...["referer", "https://shop.example.com/cart", "cookie", "session=3f9a1c77e0b84d6f; theme=dark; ab=17"],
  ...["sec-fetch-mode", "cors", "sec-fetch-site", "same-origin", "x-forwarded-for", "203.0.113.7"],
  ...["x-forwarded-proto", "https", "x-request-id", "8f0c3b1e-5f55-4b9c-a0de-2a4f2b7f9f10"],
  ...["x-shop-tenant", "acme", "x-shop-feature-flags", "new-cart,fast-pay"],
];

const BODY = Buffer.alloc(1024, "agglo ");

const request = (fields: Partial<ProcessingRequest>): ProcessingRequest => ({
  kind: Kind.none,
  headers: [],
  body: NO_BYTES,
  endOfStream: false,
  observabilityMode: false,
  protocolConfig: undefined,
  attributes: undefined,
  ...fields,
});

const answer = (kind: ContinueAnswer["kind"], fields: Partial<ContinueAnswer>): ContinueAnswer => ({
  ...continueAnswer(kind),
  ...fields,
});

const headersMessage = request({
  kind: Kind.requestHeaders,
  headers: HEADERS,
  protocolConfig: { requestBodyMode: 2, responseBodyMode: 0, sendBodyWithoutWaitingForHeaderResponse: false },
});
const headersWire = writeProcessingRequest(headersMessage);
const bodyMessage = request({ kind: Kind.requestBody, body: BODY, endOfStream: true });
const bodyWire = writeProcessingRequest(bodyMessage);

const goOn = continueAnswer(Kind.requestHeaders);
const headerAnswer = answer(Kind.requestHeaders, {
  setHeaders: [
    { name: "x-agglo-pipeline", value: "orders", append: false },
    { name: "x-agglo-decision", value: "pass", append: false },
  ],
  removeHeaders: ["x-shop-feature-flags"],
  modeOverride: {
    requestHeaderMode: 0,
    responseHeaderMode: 0,
    requestBodyMode: 0,
    responseBodyMode: 2,
    requestTrailerMode: 0,
    responseTrailerMode: 0,
  },
});
const bodyAnswer = answer(Kind.requestBody, {
  body: BODY,
  setHeaders: [{ name: "content-length", value: "1024", append: false }],
});
const refusal = immediateAnswer(
  422,
  [{ name: "content-type", value: "application/json", append: false }],
  BODY.subarray(0, 80),
  "agglo_refused",
);
const answerWire = writeProcessingResponse(bodyAnswer);

// Where a transport writes: behind its frame header and gRPC prefix, in a buffer that it has anyway.
const out = Buffer.alloc(64 * 1024);
const intoFrame = (message: Parameters<typeof writeProcessingResponse>[0]) => () =>
  writeProcessingResponseAt(message, out, 14, sizeOfProcessingResponse(message));

const rows: Row[] = [
  row(
    "read request headers, 20",
    () => readProcessingRequest(headersWire),
    () => oracle.readProcessingRequest(headersWire),
  ),
  row(
    "read body, 1 KiB",
    () => readProcessingRequest(bodyWire),
    () => oracle.readProcessingRequest(bodyWire),
  ),
  row(
    "write answer, nothing changed",
    () => writeProcessingResponse(goOn),
    () => oracle.writeProcessingResponse(goOn),
  ),
  row("  the same into a frame", intoFrame(goOn), () => oracle.writeProcessingResponse(goOn)),
  row(
    "write headers answer",
    () => writeProcessingResponse(headerAnswer),
    () => oracle.writeProcessingResponse(headerAnswer),
  ),
  row("  the same into a frame", intoFrame(headerAnswer), () => oracle.writeProcessingResponse(headerAnswer)),
  row(
    "write body answer, 1 KiB",
    () => writeProcessingResponse(bodyAnswer),
    () => oracle.writeProcessingResponse(bodyAnswer),
  ),
  row("  the same into a frame", intoFrame(bodyAnswer), () => oracle.writeProcessingResponse(bodyAnswer)),
  row(
    "write refusal",
    () => writeProcessingResponse(refusal),
    () => oracle.writeProcessingResponse(refusal),
  ),
  row(
    "peer: write request headers",
    () => writeProcessingRequest(headersMessage),
    () => oracle.writeProcessingRequest({ ...headersMessage, attributes: undefined }),
  ),
  row(
    "peer: read body answer",
    () => readProcessingResponse(answerWire),
    () => oracle.readProcessingResponse(answerWire),
  ),
];

function row(name: string, ours: Row["ours"], theirs: Row["oracle"]): Row {
  return { name, ours, oracle: theirs };
}

/** Nanoseconds per call, over about `ms`. */
function time(work: () => unknown, ms: number): number {
  const start = process.hrtime.bigint();
  let calls = 0;
  let spent = 0;
  while (spent < ms * 1e6) {
    for (let i = 0; i < CHUNK; i++) sink.last = work();
    calls += CHUNK;
    spent = Number(process.hrtime.bigint() - start);
  }
  return spent / calls;
}

function summary(samples: number[]): { median: number; text: string } {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] as number;
  const median = at(sorted.length >> 1);
  return { median, text: `${median.toFixed(0)} (${at(0).toFixed(0)}-${at(sorted.length - 1).toFixed(0)})` };
}

// All work warms up before any is measured: a codec that has only ever seen one message is faster than a real one.
for (const { ours, oracle: theirs } of rows) {
  time(ours, ROUND_MS);
  time(theirs, ROUND_MS);
}

console.log(`node ${process.version}, ${ROUNDS} rounds of ${ROUND_MS} ms each; ns per message: median (min-max)\n`);
console.log(`${"".padEnd(32)}${"ours".padStart(20)}${"protobufjs".padStart(22)}${"ratio".padStart(8)}`);
for (const { name, ours, oracle: theirs } of rows) {
  const samples: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let round = 0; round < ROUNDS; round++) {
    samples.ours.push(time(ours, ROUND_MS));
    samples.theirs.push(time(theirs, ROUND_MS));
  }
  const a = summary(samples.ours);
  const b = summary(samples.theirs);
  console.log(
    `${name.padEnd(32)}${a.text.padStart(20)}${b.text.padStart(22)}${(b.median / a.median).toFixed(1).padStart(8)}`,
  );
}
