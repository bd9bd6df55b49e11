/** What a route needs from the proxy: the cheapest modes that do (http.md, "Modes live in Envoy's per-route configuration"). */
import type { RoutePlan, SectionPlan } from "./route.ts";

export type Needs = {
  requestHeaders: boolean;
  requestBody: boolean;
  responseHeaders: boolean;
  responseBody: boolean;
  /** largest body, in bytes, of both directions */
  bodyBytesMax: number;
  /** longest time a message may take, in ms; 0 = no deadline */
  deadlineMs: number;
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
    deadlineMs: Math.max(request?.limits.deadlineMs ?? 0, response?.limits.deadlineMs ?? 0),
    failOpen: passesErrors(request) && passesErrors(response),
    plainResponse: hasPipelines(response),
  };
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
