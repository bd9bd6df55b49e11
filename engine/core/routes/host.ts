/** Hosts of routes. Apart from match.ts, since a bundle for nginx whose routes name none does without. */

/** Whether the host of a request is one of those that a route names; `*.example.org` is any below it. */
export function matchesHost(hosts: readonly string[], authority: string): boolean {
  const host = normalizeHost(authority);
  for (let i = 0; i < hosts.length; i++) {
    const pattern = hosts[i] as string;
    if (pattern === host || pattern === "*" || (pattern.startsWith("*.") && host.endsWith(pattern.slice(1))))
      return true;
  }
  return false;
}

/** Lower case, without user, port and the root's dot: `u@Shop.Example.:8080` is `shop.example`. */
export function normalizeHost(host: string): string {
  const lower = host.toLowerCase();
  const address = lower.slice(lower.lastIndexOf("@") + 1);
  let name = address.startsWith("[") ? address.slice(0, address.indexOf("]") + 1) : (address.split(":")[0] as string);
  while (name.endsWith(".")) name = name.slice(0, -1);
  return name;
}
