// Header names as strings without making strings: the usual ones are looked up by their bytes in a fixed table.

const NAMES = `
:authority :method :path :scheme :status
accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials
access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers
access-control-max-age access-control-request-headers access-control-request-method age allow alt-svc authorization
baggage cache-control connection content-disposition content-encoding content-language content-length content-location
content-range content-security-policy content-type cookie date dnt etag expect expires forwarded from
grpc-accept-encoding grpc-encoding grpc-message grpc-status grpc-timeout host if-match if-modified-since if-none-match
if-range if-unmodified-since keep-alive last-modified link location origin pragma priority range referer
referrer-policy retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site
sec-fetch-user server server-timing set-cookie strict-transport-security te traceparent tracestate trailer
transfer-encoding upgrade upgrade-insecure-requests user-agent vary via www-authenticate x-amzn-trace-id x-api-key
x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-content-type-options x-envoy-attempt-count
x-envoy-decorator-operation x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-internal
x-envoy-original-path x-envoy-upstream-service-time x-forwarded-client-cert x-forwarded-for x-forwarded-host
x-forwarded-port x-forwarded-proto x-frame-options x-powered-by x-ratelimit-limit x-ratelimit-remaining
x-ratelimit-reset x-real-ip x-request-id x-requested-with x-xss-protection
`;

const SLOTS = 512; // a fifth is taken: a name is found, or found missing, after little more than one comparison
const EMPTY = "";

const table = buildTable();

/** The name in bytes[start..end) if it is one of the usual ones; undefined: make a string. */
export function usualName(bytes: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start;
  if (length === 0) return EMPTY;
  const middle = bytes[start + (length >> 1)] as number;
  const quarter = bytes[start + (length >> 2)] as number;
  let slot = slotOf(length, bytes[end - 1] as number, middle, quarter);
  for (;;) {
    const name = table[slot] as string;
    if (name === EMPTY) return undefined;
    if (name.length === length && isAt(bytes, start, name)) return name;
    slot = (slot + 1) & (SLOTS - 1);
  }
}

function isAt(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

function slotOf(length: number, last: number, middle: number, quarter: number): number {
  return (length * 31 + last * 7 + middle * 17 + quarter * 13) & (SLOTS - 1);
}

function buildTable(): string[] {
  const slots = new Array<string>(SLOTS).fill(EMPTY);
  // As keys of an object the engine keeps each name once, with the literals of the code: comparing is then one pointer.
  const names = Object.keys(
    Object.fromEntries(
      NAMES.trim()
        .split(/\s+/)
        .map((name) => [name, true]),
    ),
  );
  for (const name of names) {
    const { length } = name;
    const middle = name.charCodeAt(length >> 1);
    let slot = slotOf(length, name.charCodeAt(length - 1), middle, name.charCodeAt(length >> 2));
    while (slots[slot] !== EMPTY) slot = (slot + 1) & (SLOTS - 1);
    slots[slot] = name;
  }
  return slots;
}
