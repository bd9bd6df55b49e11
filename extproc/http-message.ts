/** What the headers of a message say about its body, before any of it has come (RFC 9110, RFC 9113 section 8.5). */
import { headerValue } from "./exchange/headers.ts";
import type { RequestFacts } from "./http-context.ts";

/**
 * A request that turns its connection into a tunnel: CONNECT, or an upgrade as Envoy hands it on (also of HTTP/2). Only GET
 * upgrades, and without a content: an upstream that declines the upgrade would read it, and no rule had seen it.
 */
export function asksForTunnel(request: RequestFacts): boolean {
  if (request.method === "CONNECT") return true;
  if (request.method !== "GET") return false;
  if ((headerValue(request.headers, "content-length") ?? "0") !== "0") return false;
  const connection = headerValue(request.headers, "connection") ?? "";
  return connection.split(",").some((option) => option.trim().toLowerCase() === "upgrade");
}

/** A response that makes the tunnel. */
export function opensTunnel(request: RequestFacts | undefined, headers: readonly string[]): boolean {
  const status = headerValue(headers, ":status") ?? "";
  return status === "101" || (request?.method === "CONNECT" && status.startsWith("2"));
}

/** application/grpc, application/grpc+proto, … (PROTOCOL-HTTP2.md); not application/grpc-web, which is another protocol. */
export function isGrpcType(contentType: string): boolean {
  return /^application\/grpc(?:[+;\s]|$)/i.test(contentType);
}

/** Whether bytes begin like gRPC messages: with the compressed flag. No text that a JSON reader takes does. */
export function beginsLikeGrpc(body: Uint8Array): boolean {
  return body.length === 0 || (body[0] as number) <= 1;
}
