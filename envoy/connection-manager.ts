/** What the generated routes rely on in the HTTP connection manager; --filter-only prints it to be merged. */
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { sections } from "./limits.ts";
import { quoted, yaml } from "./yaml.ts";

/** How a path is read before it is matched: as an upstream would, so that no spelling slips past a route. */
export function pathSettings(routes: readonly RoutePlan[]): string {
  return yaml`
    # Paths are matched, and sent on, in one spelling: /%6frders, //orders and /x/../orders are /orders. What cannot be
    # read in one way only, an escaped slash, is refused with 400.
    normalize_path: true
    merge_slashes: true
    path_with_escaped_slashes_action: REJECT_REQUEST
    ${underscores(routes)}
  `;
}

// Only where a rule looks at headers: clients with underscores in their headers are otherwise nobody's business here.
function underscores(routes: readonly RoutePlan[]): string {
  const read = routes.some((route) => route.match.headers.length > 0 || sections(route).some((part) => part.readsHttp));
  if (!read) return "";
  return yaml`
    # CGI, WSGI and PHP upstreams read x_tenant as x-tenant: a way around routes and rules that look at headers.
    # DROP_HEADER is gentler, and what nginx does.
    common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }
  `;
}

const FILTER_STATE = "FILTER_STATE(envoy.filters.http.ext_proc:";

export function accessLog(): string {
  return yaml`
    access_log:
      - name: envoy.access_loggers.stdout
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
          log_format:
            json_format:
              time: '%START_TIME%'
              method: '%REQ(:METHOD)%'
              host: '%REQ(:AUTHORITY)%'
              # Without the query: it often holds what does not belong in a log.
              path: '%PATH(NQ)%'
              route: '%ROUTE_NAME%'
              status: '%RESPONSE_CODE%'
              # A refusal's rule, or ext_proc_error_... when the server failed.
              details: '%RESPONSE_CODE_DETAILS%'
              flags: '%RESPONSE_FLAGS%'
              duration_ms: '%DURATION%'
              upstream: '%UPSTREAM_HOST%'
              request_id: '%REQ(X-REQUEST-ID)%'
              verdict: '%DYNAMIC_METADATA(agglo:verdict)%'
              # What ext_proc cost, in microseconds as Envoy saw it, and everything it knows of the stream in short:
              # rh/rb/sh/sb = request and response headers and bodies, with time and gRPC status.
              request_headers_us: ${state("FIELD:request_header_latency_us")}
              request_body_us: ${state("FIELD:request_body_total_latency_us")}
              response_headers_us: ${state("FIELD:response_header_latency_us")}
              response_body_us: ${state("FIELD:response_body_total_latency_us")}
              ext_proc: ${state("PLAIN")}
  `;
}

function state(format: string): string {
  return quoted(`%${FILTER_STATE}${format})%`);
}
