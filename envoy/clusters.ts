/** Where Envoy connects to: the ext_proc server and the upstream. */
import { type Address, dialAddress, discovery, envoyAddress } from "./address.ts";
import { type EnvoyOptions, type EnvoyTls, EXT_PROC_CLUSTER, UPSTREAM_CLUSTER } from "./options.ts";
import { quoted, yaml } from "./yaml.ts";

export function upstreamCluster(upstream: string): string {
  const address = dialAddress(upstream);
  return yaml`
    # HTTP/1.1; for an upstream that speaks HTTP/2, take http2_protocol_options over from the cluster above.
    - name: ${UPSTREAM_CLUSTER}
      ${discovery(address)}
      connect_timeout: 5s
      ${loadAssignment(UPSTREAM_CLUSTER, [address])}
  `;
}

/** `listen`: at least one address, all of one kind. */
export function extProcCluster({ listen, tls }: Pick<EnvoyOptions, "listen" | "tls">): string {
  const addresses = (typeof listen === "string" ? [listen] : listen).map(dialAddress);
  const address = addresses[0] as Address;
  return yaml`
    - name: ${EXT_PROC_CLUSTER}
      ${discovery(address)}
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            ${http2Options(address)}
      ${tls === undefined ? PLAIN_TEXT : transportSocket(tls)}
      # Every request on a bound route holds a stream until it is done. The default of 1024 would answer the next one with
      # 500 at once (facts 14.6); three retries at a time would be none when a server goes (facts 17.4).
      circuit_breakers:
        thresholds:
          - priority: DEFAULT
            max_connections: 10000
            max_pending_requests: 100000
            max_requests: 100000
            max_retries: 1000
      ${addresses.length === 1 ? ONE_ENDPOINT : SEVERAL_ENDPOINTS}
      health_checks:
        - grpc_health_check: { service_name: envoy.service.ext_proc.v3.ExternalProcessor }
          timeout: 1s
          interval: 1s
          interval_jitter: 0.1s
          # Before the first request the default is one check a minute: a server that starts late would stay unhealthy.
          no_traffic_interval: 1s
          unhealthy_threshold: 1
          healthy_threshold: 1
          reuse_connection: true
      ${loadAssignment(EXT_PROC_CLUSTER, addresses)}
  `;
}

function http2Options(address: Address): string {
  // A peer on the same machine cannot vanish without its socket being closed.
  if (address.kind === "pipe") return "http2_protocol_options: {} # gRPC";
  return yaml`
    http2_protocol_options: # gRPC
      # A server whose machine vanished closes no connection: without pings, requests would queue on a dead one.
      connection_keepalive: { interval: 10s, timeout: 5s }
  `;
}

const PLAIN_TEXT =
  '# Plain text, which is right for loopback, a socket or a mesh; "binge envoy --tls-ca" makes it TLS.';

function transportSocket({ ca, serverName, client }: EnvoyTls): string {
  return yaml`
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: ${quoted(serverName)}
        common_tls_context:
          alpn_protocols: [h2]
          ${client === undefined ? "# The server is told of no client certificate: --tls-cert and --tls-key name one." : clientCertificate(client)}
          validation_context:
            trusted_ca: { filename: ${quoted(ca)} }
            # Without this any certificate that the CA has signed would do, whoever's it is.
            match_typed_subject_alt_names:
              - { san_type: DNS, matcher: { exact: ${quoted(serverName)} } }
  `;
}

function clientCertificate({ cert, key }: NonNullable<EnvoyTls["client"]>): string {
  return yaml`
    tls_certificates:
      - certificate_chain: { filename: ${quoted(cert)} }
        private_key: { filename: ${quoted(key)} }
  `;
}

const ONE_ENDPOINT = [
  "# The server says NOT_SERVING before it stops, so that Envoy leaves it in time (facts 17.3). With a single endpoint",
  "# this changes nothing: Envoy goes on using it when no other is healthy (healthy_panic_threshold, 50 %), and should,",
  "# since a server that drains still answers and one that is gone refuses the connection at once. With a second one",
  '# ("binge extproc --processes 2" and the same here) restarts go unnoticed.',
].join("\n");

const SEVERAL_ENDPOINTS = [
  "# One endpoint per process. A process says NOT_SERVING before it stops, so that Envoy leaves it in time (facts 17.3):",
  "# one that is restarted goes unnoticed while the others serve.",
].join("\n");

function loadAssignment(cluster: string, addresses: readonly Address[]): string {
  return yaml`
    load_assignment:
      cluster_name: ${cluster}
      endpoints:
        - lb_endpoints:
            ${addresses.map(endpoint).join("\n")}
  `;
}

function endpoint(address: Address): string {
  return yaml`
    - endpoint:
        address:
          ${envoyAddress(address)}
  `;
}
