/** Addresses of a user as Envoy's endpoints. */
import { isIP } from "node:net";
import { quoted, yaml } from "./yaml.ts";

export type Address = { kind: "socket"; host: string; port: number } | { kind: "pipe"; path: string };

/** "HOST:PORT", "[IPv6]:PORT" or "unix:/path"; undefined for anything else. Port 0 is none one can dial. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, ""); // gRPC spells it unix:///path
    return path === "" ? undefined : { kind: "pipe", path };
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port === 0 || port > 65_535) return undefined;
  if (match[1] !== undefined && isIP(match[1]) !== 6) return undefined;
  return { kind: "socket", host: match[1] ?? (match[2] as string), port };
}

/** The same, for addresses the caller has checked. */
export function dialAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`expected HOST:PORT, [IPv6]:PORT or unix:/path, found ${text}`);
  return address;
}

/** How Envoy finds the endpoints: a name has to be looked up, again and again, an IP address and a pipe need no DNS. */
export function discovery(address: Address): string {
  if (address.kind === "pipe" || isIP(address.host) !== 0) return "type: STATIC";
  return yaml`
    type: STRICT_DNS
    # A name like localhost often has an IPv6 address that nothing listens on: IPv4 goes first.
    dns_lookup_family: V4_PREFERRED
  `;
}

/** The value of an Envoy `address` field. */
export function envoyAddress(address: Address): string {
  if (address.kind === "pipe") return `pipe: { path: ${quoted(address.path)} }`;
  return `socket_address: { address: ${quoted(address.host)}, port_value: ${address.port} }`;
}
