/** How a reply is written in a configuration: a filter's `reject`, a fault's `reject`. */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { stringify } from "../event/write.ts";
import { headerValueError, writeRefusedBecause } from "./header.ts";
import { type Header, problemReply, type Reply } from "./reply.ts";

export const REPLY_FIELDS = {
  status: { kind: "integer", min: 400, max: 599, doc: "HTTP status." },
  body: {
    kind: "any",
    doc: "Body: a string is sent as text, anything else as JSON. Default: problem details (RFC 9457).",
  },
  headers: { kind: "map", of: { kind: "string", doc: "The value." }, doc: "More response headers." },
  grpcStatus: { kind: "integer", min: 0, max: 16, doc: "gRPC status for gRPC clients." },
} as const;

export function compileReply(
  compiler: Compiler,
  config: ConfigOf<typeof REPLY_FIELDS> | undefined,
  status: number,
  rule: string,
  at: DocumentPath,
): Reply {
  const reply = problemReply(status, rule);
  if (config === undefined) return reply;
  reply.status = config.status ?? status;
  reply.grpcStatus = config.grpcStatus ?? -1;
  if (config.body !== undefined) {
    const isText = typeof config.body === "string";
    reply.body = isText ? (config.body as string) : stringify(config.body);
    reply.contentType = isText ? "text/plain; charset=utf-8" : "application/json";
  }
  const headers = config.headers ?? {};
  const names = Object.keys(headers);
  for (let i = 0; i < names.length; i++) {
    const header: Header = { name: (names[i] as string).toLowerCase(), value: headers[names[i] as string] as string };
    const error = writeRefusedBecause(header.name) || headerValueError(header.value);
    if (error !== "")
      complain(
        compiler.report,
        "E_HEADER",
        at.concat("headers", names[i] as string),
        `header "${names[i]}" ${error}`,
        "",
      );
    if (header.name === "content-type") reply.contentType = header.value;
    else reply.headers.push(header);
  }
  return reply;
}
