/** What becomes of a request by its headers alone: an answer, or its body may come. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isUtf8Charset } from "../engine/core/routes/media-type.ts";
import type { Header } from "../engine/core/routes/reply.ts";
import { codingOf } from "../engine/runtime/codings.ts";
import { type PostAnswer, refusePost } from "../engine/runtime/post-answer.ts";

export type GateOptions = {
  /** where events are posted to, exactly */
  path: string;
  /** what a sender has to show (RFC 6750), as it is now; undefined: nothing */
  token(): string | undefined;
  /** of a body, and of what it decodes to */
  bodyBytesMax: number;
};

/** undefined: its body may come. */
export function atGate(request: IncomingMessage, options: GateOptions): PostAnswer | undefined {
  const { method, headers } = request;
  const accept = headers.accept ?? "";
  if (pathOf(request) !== options.path) return refusePost(404, `events are posted to ${options.path}`, accept);
  if (method !== "POST")
    return withHeader(refusePost(405, "events are sent with POST", accept), { name: "allow", value: "POST" });
  const token = options.token();
  if (token !== undefined && !isBearer(headers.authorization, token)) {
    const answer = refusePost(401, "the token of this server is missing or wrong", accept);
    return withHeader(answer, { name: "www-authenticate", value: 'Bearer realm="binge"' });
  }
  if (codingOf(headers["content-encoding"]) === undefined) {
    const answer = refusePost(415, `the content coding is none of ${CODINGS}, or several`, accept);
    return withHeader(answer, { name: "accept-encoding", value: CODINGS });
  }
  if (!isUtf8Charset(headers["content-type"] ?? "")) return refusePost(415, "JSON is UTF-8: no other charset", accept);
  if (Number(headers["content-length"] ?? 0) > options.bodyBytesMax) return bodyTooLarge(options.bodyBytesMax, accept);
  return undefined;
}

const CODINGS = "gzip, deflate, br, zstd";

export function bodyTooLarge(bodyBytesMax: number, accept: string): PostAnswer {
  return refusePost(413, `the body is larger than ${bodyBytesMax} bytes: send fewer events at once`, accept);
}

function withHeader(answer: PostAnswer, header: Header): PostAnswer {
  return { ...answer, headers: [...answer.headers, header] };
}

function pathOf({ url = "" }: IncomingMessage): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

// Digests are of one length whatever is sent, so the time says nothing.
function isBearer(authorization: string | undefined, token: string): boolean {
  const [, sent] = /^bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
  return sent !== undefined && timingSafeEqual(digest(sent), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
