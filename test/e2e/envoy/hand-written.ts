/** Envoy configurations as people write them: one ext_proc filter per listener, no per-route modes, no x-agglo-route. */
import { type RunningEnvoy, startEnvoy } from "../../../tools/run-envoy.ts";

const TYPE = "type.googleapis.com/envoy.extensions";

/** Fields of the ext_proc filter that a listener has besides the cluster. */
export type ExtProcFields = { processing_mode: { [field: string]: string }; [field: string]: unknown };

export type HandWritten = RunningEnvoy & { ports: { [listener: string]: number } };

export type Addresses = {
  extProc: string;
  /** HTTP/1.1 */
  upstream: string;
  /** HTTP/2; requests with `x-upstream: h2` go there */
  upstream2?: string;
  /** what Envoy holds of a body; its default of 1 MiB when left out */
  bufferBytes?: number;
};

/** Starts one Envoy with a listener per entry. */
export async function startHandWritten(
  filters: { [listener: string]: ExtProcFields },
  addresses: Addresses,
): Promise<HandWritten> {
  const envoy = await startEnvoy(JSON.stringify(handWritten(filters, addresses)));
  const answer = await fetch(`http://${envoy.admin}/listeners?format=json`);
  const { listener_statuses } = (await answer.json()) as {
    listener_statuses: { name: string; local_address: { socket_address: { port_value: number } } }[];
  };
  const ports = listener_statuses.map((each) => [each.name, each.local_address.socket_address.port_value]);
  return Object.assign(envoy, { ports: Object.fromEntries(ports) });
}

function handWritten(filters: { [listener: string]: ExtProcFields }, addresses: Addresses): object {
  const { extProc, upstream, upstream2 = upstream } = addresses;
  return {
    admin: { address: socketAddress("127.0.0.1:0") },
    static_resources: {
      listeners: Object.entries(filters).map(([name, fields]) =>
        listener(name, fields, addresses.bufferBytes ?? 1_048_576),
      ),
      clusters: [
        cluster("ext_proc", extProc, { http2_protocol_options: {} }),
        cluster("upstream", upstream, { http_protocol_options: { enable_trailers: true } }),
        cluster("upstream2", upstream2, { http2_protocol_options: {} }),
      ],
    },
  };
}

function listener(name: string, fields: ExtProcFields, bufferBytes: number): object {
  const typed_config = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    http_protocol_options: { enable_trailers: true },
    // A body of HTTP/2 may grow to the stream's window, not to the listener's limit.
    http2_protocol_options: { allow_connect: true, initial_stream_window_size: bufferBytes },
    upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "CONNECT" }],
    route_config: { virtual_hosts: [{ name, domains: ["*"], routes: ROUTES }] },
    http_filters: [
      extProcFilter(fields),
      { name: "router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name,
    address: socketAddress("127.0.0.1:0"),
    per_connection_buffer_limit_bytes: bufferBytes,
    filter_chains: [{ filters: [{ name: "hcm", typed_config }] }],
  };
}

const CONNECT_CONFIG = [{ upgrade_type: "CONNECT", connect_config: {} }];
const ROUTES = [
  { match: { connect_matcher: {} }, route: { cluster: "upstream", upgrade_configs: CONNECT_CONFIG } },
  { match: { prefix: "/direct" }, direct_response: { status: 418, body: { inline_string: "teapot" } } },
  {
    match: { prefix: "/", headers: [{ name: "x-upstream", string_match: { exact: "h2" } }] },
    route: { cluster: "upstream2", timeout: "0s" },
  },
  { match: { prefix: "/" }, route: { cluster: "upstream", timeout: "0s" } },
];

function extProcFilter(fields: ExtProcFields): object {
  return {
    name: "envoy.filters.http.ext_proc",
    typed_config: {
      "@type": `${TYPE}.filters.http.ext_proc.v3.ExternalProcessor`,
      grpc_service: { envoy_grpc: { cluster_name: "ext_proc" } },
      message_timeout: "5s",
      ...fields,
    },
  };
}

function cluster(name: string, address: string, options: object): object {
  const protocol = `${TYPE}.upstreams.http.v3.HttpProtocolOptions`;
  return {
    name,
    connect_timeout: "5s",
    typed_extension_protocol_options: {
      [protocol.replace("type.googleapis.com/", "")]: { "@type": protocol, explicit_http_config: options },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
  };
}

function socketAddress(address: string): object {
  const [host = "", port] = address.split(":");
  return { socket_address: { address: host, port_value: Number(port) } };
}
