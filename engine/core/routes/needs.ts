/** What a route needs from the proxy: the cheapest modes that do (http.md, "Modes live in Envoy's per-route configuration"). */
import { isStreamType } from "../body/format.ts";
import type { RoutePlan, SectionPlan } from "./route.ts";

/**
 * How a body is to come: not at all; BUFFERED; STREAMED, where looking on is enough; FULL_DUPLEX_STREAMED, where its events
 * are treated one by one.
 */
export type BodyNeed = "none" | "buffered" | "streamed" | "duplex";

export type Needs = {
  requestHeaders: boolean;
  requestBody: BodyNeed;
  requestTrailers: boolean;
  responseHeaders: boolean;
  responseBody: BodyNeed;
  responseTrailers: boolean;
  /** nothing here can change or refuse traffic: the proxy may send copies and wait for no answer */
  observes: boolean;
  /** largest body that the proxy holds whole, in bytes, of both directions; 0: it holds none */
  bodyBytesMax: number;
  /** true: without us traffic may pass, since nothing here guards it */
  failOpen: boolean;
  /** the response is to come uncoded and whole: Accept-Encoding and Range do not reach the upstream */
  plainResponse: boolean;
};

export function needs(route: RoutePlan): Needs {
  const request = route.request;
  const response = route.response;
  const exchange = route.exchange;
  const looks = exchange !== undefined && exchange.bodyBytes > 0;
  const requestBody = bodyNeed(request, looks);
  const responseBody = bodyNeed(response, looks);
  return {
    // Headers go first wherever a section may refuse (facts 22.3: with SKIP the upstream has seen them already), and
    // where a response rule reads the request.
    requestHeaders: request !== undefined || exchange !== undefined || (response?.readsRequest ?? false),
    requestBody,
    requestTrailers: trailersNeed(request, requestBody),
    responseHeaders: response !== undefined || exchange !== undefined,
    responseBody,
    responseTrailers: trailersNeed(response, responseBody),
    observes: onlyLooks(request) && onlyLooks(response),
    bodyBytesMax: Math.max(heldBytes(request, requestBody), heldBytes(response, responseBody)),
    failOpen: passesErrors(request) && passesErrors(response),
    plainResponse: responseBody === "buffered" || responseBody === "duplex",
  };
}

/** `looks`: somebody else wants to see the body. */
function bodyNeed(section: SectionPlan | undefined, looks: boolean): BodyNeed {
  if (section === undefined || section.pipelines.length === 0) return looks ? "streamed" : "none";
  if (!holdsBody(section)) return "streamed";
  return hasStreamType(section) ? "duplex" : "buffered";
}

/** True when the section takes events that come one by one. */
function hasStreamType(section: SectionPlan): boolean {
  for (let i = 0; i < section.contentTypes.length; i++)
    if (isStreamType(section.contentTypes[i] as string)) return true;
  return false;
}

// Trailers may be the end of a body (facts 4.4, 5.1), or all there is of one: then a rule on messages without a body has
// nothing else to run on (facts 1.3).
function trailersNeed(section: SectionPlan | undefined, body: BodyNeed): boolean {
  return body === "duplex" || body === "streamed" || (body === "buffered" && section?.bodyless === true);
}

function onlyLooks(section: SectionPlan | undefined): boolean {
  return section === undefined || !holdsBody(section);
}

/** Whether a body is held until the pipelines have run: to be changed or refused, or for metadata, which go with an answer. */
export function holdsBody(section: SectionPlan): boolean {
  return section.guards || section.metadata.length > 0;
}

function heldBytes(section: SectionPlan | undefined, body: BodyNeed): number {
  return body === "buffered" ? (section?.limits.bodyBytes ?? 0) : 0;
}

/** The frame around a body: H1 reads come in chunks of 16 KiB and more, and Envoy's limit is checked after a read. */
const SLACK_BYTES = 65_536;

/**
 * How much of a body the proxy may hold for a section with this limit: twice as much, so that a body just over it still
 * reaches the server, which refuses it as the route says, and an accepted one may double. A replacement over this would
 * fail with the proxy's own 413 or 500 (facts 7.4), so the server makes it a fault before. Coded bodies are counted as
 * they travel: one near the limit may well grow over it, when a rule puts in what compresses badly (HMACs).
 */
export function bufferBytes(bodyBytesMax: number): number {
  return 2 * bodyBytesMax + SLACK_BYTES;
}

// The server gone is a fault `error` of every message.
function passesErrors(section: SectionPlan | undefined): boolean {
  return section === undefined || !section.enforce || section.onFault.error === null;
}

const LETTERS: { readonly [need in BodyNeed]: string } = { none: "N", buffered: "B", streamed: "S", duplex: "D" };

/**
 * A route's name with a mark of its needs, as initial metadata of the stream (`x-agglo-route`): a server whose
 * configuration asks for other modes by now notices. `orders@SSBN`: request and response headers SEND or sKip, request
 * and response body None, Buffered, Streamed or full Duplex; T behind a body that comes with trailers, O at the end when
 * the proxy waits for no answers.
 */
export function routeMark(route: RoutePlan): string {
  const need = needs(route);
  const headers = (need.requestHeaders ? "S" : "K") + (need.responseHeaders ? "S" : "K");
  const request = LETTERS[need.requestBody] + (need.requestTrailers ? "T" : "");
  const response = LETTERS[need.responseBody] + (need.responseTrailers ? "T" : "");
  return `${route.name}@${headers}${request}${response}${need.observes ? "O" : ""}`;
}

/** Metadata name of the mark. */
export const ROUTE_MARK = "x-agglo-route";
