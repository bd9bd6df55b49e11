/** The answer to a message that is refused: by a filter, or because of a fault. */

import type { ValidationError } from "../ports.ts";

export type Header = { name: string; value: string };

export type Reply = {
  status: number;
  headers: Header[];
  /** text of the body; "" = none of its own, the host writes problem details (RFC 9457) */
  body: string;
  contentType: string;
  /** gRPC status for gRPC clients; -1 = derived from the status by the proxy */
  grpcStatus: number;
  /** the rule's name: in the problem details and in Envoy's RESPONSE_CODE_DETAILS */
  rule: string;
  /** what is wrong with the message, made when it is refused; in problem details only */
  errors?: readonly ValidationError[];
};

export const PROBLEM_JSON = "application/problem+json";

/** An answer without a body of its own. */
export function problemReply(status: number, rule: string): Reply {
  return { status, headers: [], body: "", contentType: PROBLEM_JSON, grpcStatus: -1, rule };
}

/** Reason phrases of the statuses this product answers with (RFC 9110 section 15). */
const TITLES: { readonly [status: number]: string } = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Body of the reply: its own, or problem details that never hold anything of the message. */
export function replyBody(reply: Reply, detail: string): string {
  if (reply.body !== "") return reply.body;
  return JSON.stringify({
    type: "about:blank",
    title: TITLES[reply.status] ?? "Refused",
    status: reply.status,
    detail: detail === "" ? undefined : detail,
    rule: reply.rule === "" ? undefined : reply.rule,
    errors: reply.errors,
  });
}

/** The same reply with the errors of this message. */
export function withErrors(reply: Reply, errors: readonly ValidationError[]): Reply {
  return {
    status: reply.status,
    headers: reply.headers,
    body: reply.body,
    contentType: reply.contentType,
    grpcStatus: reply.grpcStatus,
    rule: reply.rule,
    errors,
  };
}
