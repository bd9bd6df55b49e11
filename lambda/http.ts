/**
 * HTTP requests: from REST APIs (payload format 1.0), HTTP APIs and function URLs (2.0). Events come and answers go as
 * with `binge serve`, whatever the path.
 */
import { isObject, type JsonObject, type JsonValue } from "../engine/core/event/json.ts";
import { isUtf8Charset } from "../engine/core/routes/media-type.ts";
import { codingOf, decodeBody } from "../engine/runtime/codings.ts";
import { answerPost, refusePost, type TextAnswer } from "../engine/runtime/post-answer.ts";
import { runText } from "../engine/runtime/run-text.ts";
import { decodeUtf8 } from "../engine/runtime/treat-content.ts";
import { type Invocation, logFailure, reasonsOf } from "./invocation.ts";

/** Lambda's own limit is 6 MB; what is coded may become more. */
const DECODED_BYTES_MAX = 16 * 1024 * 1024;

/** What both payload formats call the same. */
type Request = {
  headers: JsonObject;
  queryStringParameters: JsonObject;
  body: string;
  isBase64Encoded: boolean;
};

export async function answerHttp(payload: JsonValue, invocation: Invocation): Promise<object> {
  const { status, headers, contentType, body } = await answer(readRequest(payload as JsonObject), invocation);
  const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  return { statusCode: status, headers: { ...named, "content-type": contentType }, body, isBase64Encoded: false };
}

function readRequest({ headers, queryStringParameters, body, isBase64Encoded }: JsonObject): Request {
  return {
    headers: isObject(headers) ? headers : {}, // null for none
    queryStringParameters: isObject(queryStringParameters) ? queryStringParameters : {},
    body: typeof body === "string" ? body : "",
    isBase64Encoded: isBase64Encoded === true,
  };
}

async function answer(request: Request, invocation: Invocation): Promise<TextAnswer> {
  const { runner, deadlineMs, numbers } = invocation;
  const accept = header(request, "accept");
  const text = await readBody(request);
  if (typeof text !== "string") return refusePost(text.status, text.detail, accept);
  const contentType = header(request, "content-type");
  const run = await runText(runner, text, contentType, deadlineMs);
  numbers.events += run.events;
  if (run.unreadable !== "") logFailure(invocation, "request", [run.unreadable]);
  for (const [event, failures] of Map.groupBy(run.failures, (failure) => failure.event)) {
    logFailure(invocation, `event ${event}`, reasonsOf(failures));
  }
  return answerPost(run, { output: request.queryStringParameters.output === "1", accept, contentType });
}

/** The text of the body, or how it is refused. */
async function readBody(request: Request): Promise<string | { status: number; detail: string }> {
  if (!isUtf8Charset(header(request, "content-type")))
    return { status: 415, detail: "JSON is UTF-8: no other charset" };
  const coding = codingOf(header(request, "content-encoding"));
  if (coding === undefined)
    return { status: 415, detail: "the body's content-encoding is none of gzip, deflate, br, zstd" };
  if (coding === "identity" && !request.isBase64Encoded) return request.body;
  const bytes = Buffer.from(request.body, request.isBase64Encoded ? "base64" : "utf8");
  const content = coding === "identity" ? bytes : await decodeBody(coding, bytes, DECODED_BYTES_MAX);
  if (content === "tooLarge") return { status: 413, detail: `more than ${DECODED_BYTES_MAX} bytes when decoded` };
  if (content === "unparsable") return { status: 400, detail: `the body is no ${coding}` };
  return decodeUtf8(content) ?? { status: 400, detail: "not valid UTF-8" };
}

/** REST APIs leave names as the client wrote them. */
function header(request: Request, name: string): string {
  for (const [key, value] of Object.entries(request.headers)) {
    if (key.toLowerCase() === name && typeof value === "string") return value;
  }
  return "";
}
