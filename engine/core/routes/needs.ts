/** What a route needs from the proxy: the cheapest modes that do (http.md, "Modes live in Envoy's per-route configuration"). */
import type { RoutePlan, SectionPlan } from "./route.ts";

export type Needs = {
  requestHeaders: boolean;
  requestBody: boolean;
  responseHeaders: boolean;
  responseBody: boolean;
  /** largest body, in bytes, of both directions */
  bodyBytesMax: number;
  /** true: without us traffic may pass, since nothing here guards it */
  failOpen: boolean;
  /** the response is to come uncoded and whole: Accept-Encoding and Range do not reach the upstream */
  plainResponse: boolean;
};

export function needs(route: RoutePlan): Needs {
  const request = route.request;
  const response = route.response;
  return {
    // Headers go first wherever a section may refuse (facts 22.3: with SKIP the upstream has seen them already), and
    // where a response rule reads the request.
    requestHeaders: request !== undefined || (response?.readsRequest ?? false),
    requestBody: hasPipelines(request),
    responseHeaders: response !== undefined,
    responseBody: hasPipelines(response),
    bodyBytesMax: Math.max(request?.limits.bodyBytes ?? 0, response?.limits.bodyBytes ?? 0),
    failOpen: passesErrors(request) && passesErrors(response),
    plainResponse: hasPipelines(response),
  };
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

function hasPipelines(section: SectionPlan | undefined): boolean {
  return section !== undefined && section.pipelines.length > 0;
}

// The server gone is a fault `error` of every message.
function passesErrors(section: SectionPlan | undefined): boolean {
  return section === undefined || section.onFault.error === null;
}

/**
 * A route's name with a mark of its needs, as initial metadata of the stream (`x-agglo-route`): a server whose
 * configuration asks for other modes by now notices. `orders@SSBN`: request and response headers SEND or sKip, request
 * and response body Buffered or None.
 */
export function routeMark(route: RoutePlan): string {
  const need = needs(route);
  const headers = (need.requestHeaders ? "S" : "K") + (need.responseHeaders ? "S" : "K");
  return `${route.name}@${headers}${need.requestBody ? "B" : "N"}${need.responseBody ? "B" : "N"}`;
}

/** Metadata name of the mark. */
export const ROUTE_MARK = "x-agglo-route";
