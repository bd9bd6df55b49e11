/** The ext_proc filter, and what a route says to it. */
import { needs, processingMode, ROUTE_MARK, routeMark } from "../engine/core/routes/needs.ts";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { MAX_MESSAGE_TIMEOUT_MS, messageTimeoutMs } from "./limits.ts";
import { EXT_PROC_CLUSTER } from "./options.ts";
import { lines, quoted, yaml } from "./yaml.ts";

/** Name of the filter: the key of its per-route configuration, and of its filter state in the access log. */
const FILTER = "envoy.filters.http.ext_proc";
/** The same filter once more, for routes that only look on. */
const OBSERVER = "agglo.observer";

export function extProcFilters(routes: readonly RoutePlan[]): string {
  const observes = routes.some((route) => needs(route).observes);
  return lines([extProcFilter(routes), observes ? observer() : ""]);
}

// Its errors are Envoy's all the same (facts 13.2), so it fails open whatever happens.
function observer(): string {
  return yaml`
    # Routes that only mirror or count: the server gets copies, and Envoy waits for nothing.
    - name: ${OBSERVER}
      typed_config:
        '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
        grpc_service:
          envoy_grpc: { cluster_name: ${EXT_PROC_CLUSTER} }
        observability_mode: true
        failure_mode_allow: true
        processing_mode:
          request_header_mode: SKIP
          response_header_mode: SKIP
          request_body_mode: NONE
          response_body_mode: NONE
          request_trailer_mode: SKIP
          response_trailer_mode: SKIP
  `;
}

function extProcFilter(routes: readonly RoutePlan[]): string {
  return yaml`
    - name: ${FILTER}
      typed_config:
        '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
        grpc_service:
          envoy_grpc: { cluster_name: ${EXT_PROC_CLUSTER} }
          # A server that is gone, or says it has not looked at the request, costs a retry in place of a failed request.
          # None of these conditions can make a message be processed twice.
          retry_policy:
            retry_on: connect-failure,refused-stream,reset-before-request
            num_retries: 2
            # Envoy's own back-off is longer than a request may take.
            retry_back_off: { base_interval: 0.005s, max_interval: 0.05s }
            # Another process, where there are several: the one that was tried may be gone and not yet known to be.
            retry_host_predicate:
              - name: envoy.retry_host_predicates.previous_hosts
                typed_config:
                  '@type': type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
            host_selection_retry_max_attempts: 3
        # Nothing goes to the server unless a route asks for it: no stream is opened for other traffic.
        processing_mode:
          request_header_mode: SKIP
          response_header_mode: SKIP
          request_body_mode: NONE
          response_body_mode: NONE
          request_trailer_mode: SKIP
          response_trailer_mode: SKIP
        # Half a second over the longest deadlineMs of the routes: the server answers before, as the route's onFault says;
        # this is for a server that hangs, and answers 504.
        message_timeout: ${messageTimeoutMs(routes) / 1000}s
        # A deadline may be raised by a reload: the server says for each message that waits how long it may take.
        max_message_timeout: ${MAX_MESSAGE_TIMEOUT_MS / 1000}s
        # Rules guard traffic, so a server that is gone stops it. Routes that can only pass traffic say otherwise below.
        failure_mode_allow: false
        # The server only ever switches a body off that a route need not look at (a media type no section covers).
        # It never switches one on: Envoy would keep a stale content-length (facts 2.8).
        allow_mode_override: true
        # What a rule may not write (host, :method, x-envoy-*) is skipped and counted; binge lint reports it beforehand.
        mutation_rules: { disallow_is_error: false }
        # Namespace "agglo" of the dynamic metadata: verdict, rule of a refusal, for access logs and later filters.
        metadata_options:
          receiving_namespaces: { untyped: [agglo] }
  `;
}

/** The per-route configuration of the filter: the cheapest modes that serve the route (engine/core/routes/needs.ts). */
export function perRouteConfig(route: RoutePlan): string {
  const need = needs(route);
  return yaml`
    typed_per_filter_config:
      ${need.observes ? OBSERVER : FILTER}:
        '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute
        overrides:
          processing_mode:
            ${lines(processingMode(need, "request"))}
            ${lines(processingMode(need, "response"))}
          # ${need.failOpen ? "Without the server this traffic passes as it is." : "Without the server this traffic is refused."}
          failure_mode_allow: ${String(need.failOpen)}
          # Tells the server the route and these modes: it need not match again, and notices when they are out of date.
          grpc_initial_metadata:
            - { key: ${ROUTE_MARK}, value: ${quoted(formatLiteral(routeMark(route)))} }
  `;
}

/** Envoy reads "%" in metadata values as the beginning of a command. */
function formatLiteral(text: string): string {
  return text.replaceAll("%", "%%");
}
