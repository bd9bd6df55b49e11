/** What the generators are asked for. */
export type EnvoyOptions = {
  /** where agglo's ext_proc server listens, one per process: "HOST:PORT", "[IPv6]:PORT" or "unix:/path" */
  listen: string | readonly string[];
  /** Envoy speaks TLS to the server; plain text when left out. Paths as Envoy sees them. */
  tls?: EnvoyTls;
  /** where the traffic goes: "HOST:PORT" or "[IPv6]:PORT" */
  upstream: string;
  /** port of Envoy's listener; 0 lets the system choose */
  port: number;
  /** IP address of Envoy's listener; 127.0.0.1 when left out */
  address?: string;
  /** port of Envoy's admin interface, on 127.0.0.1; 9901 when left out, 0 lets the system choose */
  adminPort?: number;
  /** Envoy ends ext_proc streams with END_STREAM in place of RST_STREAM: for servers that count resets (facts 0.3, 0.5) */
  gracefulClose?: boolean;
};

export type EnvoyTls = {
  /** PEM of who signed the server's certificate */
  ca: string;
  /** the name in it */
  serverName: string;
  /** what Envoy shows of itself, where the server asks (`--tls-client-ca`) */
  client?: { cert: string; key: string };
};

/** Clusters of the generated configuration; also their names in Envoy's statistics. */
export const EXT_PROC_CLUSTER = "agglo_ext_proc";
export const UPSTREAM_CLUSTER = "upstream";
