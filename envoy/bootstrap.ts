/** `binge envoy`: a complete Envoy configuration for the routes of a plan, as YAML that explains itself. */
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { extProcCluster, upstreamCluster } from "./clusters.ts";
import { accessLog, pathSettings } from "./connection-manager.ts";
import { extProcFilters } from "./filter.ts";
import { idleTimeoutMs } from "./limits.ts";
import { type EnvoyOptions, UPSTREAM_CLUSTER } from "./options.ts";
import { boundRoutes } from "./routes.ts";
import { runtimeLayers } from "./runtime-layers.ts";
import { quoted, yaml } from "./yaml.ts";

/** The bootstrap as text. Addresses must parse (parseAddress): an odd one is the caller's mistake, and thrown. */
export function envoyBootstrap(routes: readonly RoutePlan[] | undefined, options: EnvoyOptions): string {
  const bound = routes ?? [];
  const text = yaml`
    # Envoy in front of an upstream, with agglo as its external processor. Made by "binge envoy" for Envoy 1.40:
    # change the agglo configuration and make it anew, or take this over and keep the comments in mind.
    admin:
      # Whoever reaches it can stop Envoy: loopback only.
      address:
        socket_address: { address: 127.0.0.1, port_value: ${options.adminPort ?? 9901} }

    ${runtimeLayers(bound, options.gracefulClose === true)}

    static_resources:
      listeners:
        - name: agglo
          address:
            socket_address: { address: ${quoted(options.address ?? "127.0.0.1")}, port_value: ${options.port} } # 0.0.0.0: from anywhere
          filter_chains:
            - filters:
                - name: envoy.filters.network.http_connection_manager
                  typed_config:
                    ${connectionManager(bound)}
      clusters:
        ${extProcCluster(options)}
        ${upstreamCluster(options.upstream)}
  `;
  return `${text}\n`;
}

function connectionManager(routes: readonly RoutePlan[]): string {
  return yaml`
    '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: agglo
    codec_type: AUTO # HTTP/1.1, and HTTP/2 with prior knowledge
    ${pathSettings(routes)}
    # The client's address goes into x-forwarded-for, and x-envoy-* headers of strangers go away.
    use_remote_address: true
    # An exchange ends when nothing moves for this long; as long as something does, it may take its time: routes have no
    # timeout of their own, so that streams and large bodies live.
    stream_idle_timeout: ${idleTimeoutMs(routes) / 1000}s
    request_headers_timeout: 10s
    http2_protocol_options:
      max_concurrent_streams: 100
      # Bodies that are held whole may grow to the larger of a route's buffer limit and this window (facts 7.2), and the
      # window is 16 MiB unless one says otherwise.
      initial_stream_window_size: 262144
      initial_connection_window_size: 1048576
    ${accessLog()}
    route_config:
      name: agglo
      virtual_hosts:
        - name: agglo
          domains: ['*'] # hosts are matched by the routes, which take ports, case and a trailing dot as they come
          routes:
            ${boundRoutes(routes, UPSTREAM_CLUSTER)}
            ${catchAll(routes)}
    http_filters:
      ${extProcFilters(routes)}
      - name: envoy.filters.http.router
        typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  `;
}

function catchAll(routes: readonly RoutePlan[]): string {
  return yaml`
    ${routes.length === 0 ? HOW_TO_BIND : "# Everything else passes, and never meets the server."}
    - name: 'agglo:unbound'
      match: { prefix: / }
      route:
        cluster: ${UPSTREAM_CLUSTER}
        timeout: 0s
        # Not on the routes above: an upgrade never gets past a body that is held whole (facts 21.2).
        upgrade_configs: [{ upgrade_type: websocket }]
  `;
}

const HOW_TO_BIND = [
  "# No pipeline is bound to traffic: everything passes, and the server is never asked. Bind pipelines with an http section,",
  '#   "http": { "version": 1, "routes": [ { "name": "orders", "match": { "paths": ["/orders/**"] },',
  '#                                         "request": { "pipelines": ["validate"] } } ] }',
  "# and make this file anew.",
].join("\n");
