/** What Envoy's body modes have in common and what not (facts 1 to 6). */
import { BodyMode } from "../messages/messages.ts";
import type { Delivery } from "./treatment.ts";

/** One body message, or none; Envoy holds what it shows. */
export function isBuffered(mode: BodyMode): boolean {
  return mode === BodyMode.BUFFERED || mode === BodyMode.BUFFERED_PARTIAL;
}

/** Any number of answers to any number of messages, all of them streamed; Envoy holds nothing. */
export function isDuplex(mode: BodyMode): boolean {
  return mode === BodyMode.FULL_DUPLEX_STREAMED || mode === BodyMode.GRPC;
}

/** An override may switch the body off (facts 10.1). */
export function canLower(mode: BodyMode): boolean {
  return isBuffered(mode) || mode === BodyMode.STREAMED;
}

/** How a body will come. `contentLength` -1: its end is not known before it comes. */
export function deliveryOf(mode: BodyMode, contentLength: number, observed: boolean): Delivery {
  if (observed) return "copy";
  switch (mode) {
    case BodyMode.BUFFERED:
      return "whole";
    case BodyMode.BUFFERED_PARTIAL:
      return "start";
    case BodyMode.FULL_DUPLEX_STREAMED:
      return "pieces";
    case BodyMode.STREAMED:
      // Holding back needs to know the last chunk when it comes: behind trailers there is no place for a body.
      return contentLength === -1 ? "copy" : "behind";
    default: // GRPC delivers nothing that could be answered (facts 21.1)
      return "none";
  }
}
