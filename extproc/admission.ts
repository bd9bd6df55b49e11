/** What a section makes of a message by its headers alone: a verdict, or how its body is to be read. */
import { formatOf } from "../engine/core/body/format.ts";
import { acceptsMedia, isUtf8Charset } from "../engine/core/routes/media-type.ts";
import { faulted, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import { matchesStatus } from "../engine/core/routes/status.ts";
import { codingOf } from "../engine/runtime/codings.ts";
import { headerValue } from "./exchange/headers.ts";
import type { Delivery } from "./exchange/treatment.ts";
import { beginsLikeGrpc, isGrpcType } from "./http-message.ts";

/**
 *   whole     the body, all of it
 *   events    the body event by event as it comes
 *   grpc      the body's beginning: whether it is what its content type says
 *   copy      the body as it passes, for whoever looks on
 *   missing   it would be needed, and the proxy is not set to send it so
 */
export type Reading = "whole" | "events" | "grpc" | "copy" | "missing";

/** Of a message that has a body, or may have one. */
export function admit(section: LinkedSection, headers: readonly string[], delivery: Delivery): Verdict | Reading {
  const plan = section.plan;
  if (plan.direction === "response" && !matchesStatus(plan.statuses, Number(headerValue(headers, ":status") ?? 0)))
    return passed(section);
  if (section.pipelines.length === 0) return passed(section);
  if (headerValue(headers, ":status") === "206" && plan.guards) {
    return faulted(section, "unparsable", "a part of a body cannot be treated");
  }
  const type = headerValue(headers, "content-type");
  if (type === undefined || !acceptsMedia(plan.contentTypes, type) || !isUtf8Charset(type)) {
    if (type !== undefined && isGrpcType(type)) return plan.guards ? readGrpc(delivery) : passed(section);
    return faulted(section, "contentType", "the content type is none of the section's");
  }
  const coding = codingOf(headerValue(headers, "content-encoding"));
  if (coding === undefined) return unknownCoding(section); // said once more with the body: here it saves reading it
  const streams = formatOf(type).stream && coding === "identity";
  const events = streams && (delivery === "pieces" || (delivery === "copy" && !plan.guards));
  if (!events && Number(headerValue(headers, "content-length") ?? 0) > plan.limits.bodyBytes) return tooLarge(section);
  if (delivery === "none" || (delivery === "copy" && plan.guards)) return "missing";
  return events ? "events" : "whole";
}

// A client could call anything gRPC, so where rules guard its first byte must say so too.
function readGrpc(delivery: Delivery): Reading {
  return delivery === "none" || delivery === "copy" ? "missing" : "grpc";
}

/** On a body that was read as gRPC: of the whole of it, or of its first bytes. */
export function grpcVerdict(section: LinkedSection, body: Uint8Array): Verdict {
  return beginsLikeGrpc(body) ? passed(section) : faulted(section, "contentType", "not what its content type says");
}

export function tooLarge(section: LinkedSection): Verdict {
  return faulted(section, "tooLarge", `the body is larger than ${section.plan.limits.bodyBytes} bytes`);
}

export function unknownCoding(section: LinkedSection): Verdict {
  return faulted(section, "unparsable", "the content coding is none of gzip, deflate, br and zstd, or several");
}
