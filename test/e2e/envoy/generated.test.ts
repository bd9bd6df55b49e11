/**
 * What `binge envoy` prints, on a real Envoy: every output loads, and no odd spelling of a request gets past the route
 * that guards it. With no ext_proc server behind it, a guarded route answers 500 and everything else reaches the echo.
 */
import { createServer, type Server } from "node:http";
import { connect as connectHttp2, constants, type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import type { RoutePlan } from "../../../engine/core/routes/route.ts";
import { envoyBootstrap } from "../../../envoy/bootstrap.ts";
import { envoyFilterOnly } from "../../../envoy/filter-only.ts";
import type { EnvoyOptions } from "../../../envoy/options.ts";
import { onFault, route, section } from "../../../envoy/testing.ts";
import { type RunningEnvoy, startEnvoy, validateEnvoy } from "../../../tools/run-envoy.ts";
import { type ScriptedServer, startScriptedServer } from "./scripted-server.ts";

const MIB = 1_048_576;
const OPTIONS: EnvoyOptions = { listen: "127.0.0.1:50051", upstream: "127.0.0.1:8080", port: 0, adminPort: 0 };

/** Answers with the request's line and headers as they came, and the body's size. */
async function startEcho(): Promise<{ server: Server; address: string }> {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on("end", () => {
      const wanted = Number(request.headers["x-wanted-bytes"] ?? 0);
      const echo = JSON.stringify({ method: request.method, url: request.url, headers: request.headers, bytes });
      response.end(wanted === 0 ? echo : Buffer.alloc(wanted, "w"));
    });
  });
  server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

type Answer = { status: number; text: string };

/** One HTTP/1.1 request, byte by byte as given: fetch would tidy it up. */
function raw(port: number, line: string, headers: readonly string[] = ["host: x"]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (isWhole(text)) socket.end(); // after a refusal Envoy would keep the connection for a second
    });
    socket.on("error", reject);
    socket.on("close", () => resolve({ status: Number(text.split(" ")[1]), text }));
    socket.write(`${[`${line} HTTP/1.1`, ...headers, "connection: close"].join("\r\n")}\r\n\r\n`, "latin1");
  });
}

function isWhole(text: string): boolean {
  const [head, body] = text.split("\r\n\r\n");
  const length = /^content-length: (\d+)/im.exec(head as string)?.[1];
  return body !== undefined && length !== undefined && body.length >= Number(length);
}

/** One HTTP/2 request on a connection of its own; status 0: Envoy cut it. */
function http2(port: number, headers: OutgoingHttpHeaders, body?: Buffer): Promise<Answer> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request(
      { ":authority": "x", ":method": "GET", ...headers },
      { endStream: body === undefined },
    );
    let status = 0;
    let text = "";
    session.on("error", () => {}); // the stream's end tells
    stream.on("error", () => {});
    stream.on("response", (response) => {
      status = Number(response[":status"]);
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    stream.on("close", () => {
      session.close();
      resolve({ status, text });
    });
    if (body !== undefined) stream.end(body);
  });
}

const odd = [
  route("all", {}),
  route("hosts", { hosts: ["*.shop.example", "api.example", "[::1]", "*"] }),
  route("methods", { methods: ["POST", "M-SEARCH", "*odd+"] }),
  route("headers", {
    headers: [
      { name: "x-a", value: "" },
      { name: "x-b", value: 'it\'s "100%" \\d: é' },
    ],
  }),
  route("globs", { paths: ["/", "/**", "/a/**/b", "/a*b/*.json", "/a b/é/€/😀", "/(x)[y]{2}^$|?+\\", "/a;b/:c@d"] }),
  route("many", { paths: Array.from({ length: 500 }, (_, i) => `/service-${i}/**/item-${i}-*`) }),
  route("100% %REQ(:path)% 'q' \"ü\" {} [] # : -", {}),
  route("both", {}, { response: section({ direction: "response", readsRequest: true, readsHttp: true }) }),
  route("response", {}, { request: undefined, response: section({ direction: "response", pipelines: [] }) }),
  route("open", {}, { request: section({ onFault: onFault(null) }) }),
  route("control", { paths: ["/\u0001\n\u0085"], headers: [{ name: "x-a", value: "\n\u007f\u0085\u2028\ud800" }] }),
  route("empty", {}, { request: undefined }),
  route(
    "large",
    {},
    { request: section({ limits: { bodyBytes: 2 ** 30, decodedBytes: 1, depth: 1, deadlineMs: 60_000 } }) },
  ),
];

describe("every output loads", () => {
  const bootstraps: [string, readonly RoutePlan[] | undefined, Partial<EnvoyOptions>][] = [
    ["routes with all kinds of matches and odd characters", odd, {}],
    ["no http section", undefined, {}],
    ["no routes", [], {}],
    ["unix socket and names to look up", odd, { listen: "unix:/tmp/it's odd.sock", upstream: "localhost:8080" }],
    ["IPv6", odd, { listen: "[::1]:50051", upstream: "[::1]:8080", address: "::1" }],
    ["from anywhere, with graceful stream ends", odd, { address: "0.0.0.0", port: 10_000, gracefulClose: true }],
  ];
  it.each(bootstraps)("%s", async (_title, routes, change) => {
    expect(await validateEnvoy(envoyBootstrap(routes, { ...OPTIONS, ...change }))).toBe("");
  });

  it.each([
    ["routes", odd],
    ["no routes", undefined],
  ])("--filter-only, pasted into a minimal bootstrap: %s", async (_title, routes) => {
    expect(await validateEnvoy(pasted(envoyFilterOnly(routes, OPTIONS)))).toBe("");
  });

  it("the check itself sees a mistake", async () => {
    expect(await validateEnvoy(envoyBootstrap(odd, OPTIONS).replace("normalize_path", "normalise_path"))).toContain(
      "normalise_path",
    );
  });
});

/** As its comments say. */
function pasted(filterOnly: string): string {
  const parts = parse(filterOnly.replaceAll("YOUR_CLUSTER", "mine"));
  const type = "type.googleapis.com/envoy.extensions.filters";
  const typed_config = {
    "@type": `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "mine",
    ...parts.http_connection_manager,
    route_config: {
      virtual_hosts: [
        {
          name: "mine",
          domains: ["*"],
          routes: [...parts.routes, { match: { prefix: "/" }, route: { cluster: "mine" } }],
        },
      ],
    },
    http_filters: [
      ...parts.http_filters,
      { name: "router", typed_config: { "@type": `${type}.http.router.v3.Router` } },
    ],
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config }];
  return stringify({
    layered_runtime: parts.layered_runtime,
    static_resources: {
      listeners: [{ address, filter_chains: [{ filters }] }],
      clusters: [...parts.clusters, { name: "mine" }],
    },
  });
}

describe("without a server", () => {
  let envoy: RunningEnvoy;
  let echo: Awaited<ReturnType<typeof startEcho>>;

  beforeAll(async () => {
    echo = await startEcho();
    const routes = [
      route("hosted", { hosts: ["api.example", "*.shop.example"] }),
      route("orders", { paths: ["/orders/**"] }),
      route("method", { paths: ["/method"], methods: ["POST"] }),
      route("header", { headers: [{ name: "x-tenant", value: "acme" }] }),
      route("odd", { paths: ["/a@b/**", "/caf é"] }),
      route("open", { paths: ["/open/**"] }, { request: section({ onFault: onFault(null) }) }),
    ];
    // Port 1 of loopback: nothing listens there, and connections are refused at once.
    envoy = await startEnvoy(envoyBootstrap(routes, { ...OPTIONS, listen: "127.0.0.1:1", upstream: echo.address }));
  });

  afterAll(async () => {
    await envoy.stop();
    echo.server.close();
  });

  it("passes what no route binds, and what a route lets pass", async () => {
    for (const path of ["/", "/ordersx", "/x/orders", "/open/1", "/y?/orders"]) {
      const { status, text } = await raw(envoy.port, `GET ${path}`);
      expect([path, status]).toEqual([path, 200]);
      expect(text).toContain(`"url":"${path}"`);
    }
  });

  // Each reaches an upstream, if at all, as something one upstream or another reads as /orders/…
  const guarded = [
    ...["/orders", "/orders/", "/orders/1", "/orders?x", "/orders/%FF", "/orders/%", "/orders/%0a"],
    ...[
      "/%6Frders/1",
      "/%6frders",
      "//orders/1",
      "/./orders",
      "/%2e/orders",
      "/x/../orders/1",
      "/x/%2e%2e/orders/1",
      "/..//orders",
    ],
    ...[
      "/\\orders",
      "/x\\..\\orders",
      "/orders\\1",
      "/orders;v=1/1",
      "/orders%3Bv/1",
      "/x/..;/orders/1",
      "/.;x/orders/1",
    ],
    ...[
      "/%zz/../orders",
      "http://x/orders/1",
      "http://x//orders/1",
      "/a@b/1",
      "/a%40b/1",
      "/caf%20%C3%A9",
      "/caf%20%c3%a9",
    ],
  ];
  it.each(guarded)("guards the path %j", async (path) => {
    expect((await raw(envoy.port, `GET ${path}`)).status).toBe(500);
  });

  const refused = [
    ...[
      "/orders%2F1",
      "/orders%2f1",
      "/orders%5C1",
      "/%2forders",
      "/orders/%00",
      "/orders#x",
      "/y#/../orders",
      "/orders/\xff",
    ],
    ...["/x/%2e%2e;/orders/1", "/x/..%3b/orders/1", "/;x/orders/1", "orders/1", "*"],
  ];
  it.each(refused)("refuses the path %j", async (path) => {
    expect((await raw(envoy.port, `GET ${path}`)).status).toBe(400);
  });

  it("sends the path on as it was matched", async () => {
    const { text } = await raw(envoy.port, "GET /%66ree//x/../%7e/%2d?a=%2F..");
    expect(text).toContain('"url":"/free/~/-?a=%2F.."');
    // Escapes made by unescaping would be read again by the upstream: their percent sign is escaped.
    expect((await raw(envoy.port, "GET /%%36Frders/1")).text).toContain('"url":"/%256Frders/1"');
    expect((await raw(envoy.port, "GET /%6%46rders/1")).text).toContain('"url":"/%256Frders/1"');
  });

  const guardedHosts = [
    "api.example",
    "API.Example",
    "api.example:8080",
    "api.example.",
    "api.example.:80",
    "api.example:",
    "api.example..",
  ];
  it.each([...guardedHosts, "u:p@api.example", "a.b.SHOP.example.:1"])("guards the host %j", async (host) => {
    expect((await raw(envoy.port, "GET /", [`host: ${host}`])).status).toBe(500);
  });

  it("takes the host of an absolute target, and :authority before host", async () => {
    expect((await raw(envoy.port, "GET http://api.example/", ["host: other"])).status).toBe(500);
    expect((await raw(envoy.port, "GET http://u@API.example:80/", ["host: other"])).status).toBe(500);
    const http2Host = await http2(envoy.port, { ":path": "/", ":authority": "y", host: "api.example" });
    expect(JSON.parse(http2Host.text).headers.host).toBe("y");
  });

  it("guards a method in any case", async () => {
    expect((await raw(envoy.port, "POST /method", ["host: x", "content-length: 0"])).status).toBe(500);
    expect((await raw(envoy.port, "post /method", ["host: x", "content-length: 0"])).status).toBe(400);
    expect((await http2(envoy.port, { ":path": "/method", ":method": "post" })).status).toBe(500);
    expect((await raw(envoy.port, "GET /method")).status).toBe(200);
  });

  it("guards by header, and refuses its double with an underscore", async () => {
    expect((await raw(envoy.port, "GET /", ["host: x", "X-Tenant:  acme  "])).status).toBe(500);
    expect((await raw(envoy.port, "GET /", ["host: x", "x_tenant: acme"])).status).toBe(400);
    expect((await raw(envoy.port, "GET /", ["host: x", "x-tenant: other"])).status).toBe(200);
  });

  it.each(["/orders/1", "/%6frders", "//orders", "/\\orders", "/x/..;/orders", "/orders/\xff"])(
    "guards %j on HTTP/2",
    async (path) => {
      expect((await http2(envoy.port, { ":path": path })).status).toBe(500);
    },
  );

  it("lets WebSockets through where no route is", async () => {
    const headers = ["host: x", "upgrade: websocket", "connection: upgrade"];
    const { status, text } = await raw(envoy.port, "GET /chat", headers);
    expect([status, text.endsWith("hello")]).toEqual([101, true]);
    expect((await raw(envoy.port, "GET /orders", headers)).status).toBe(403);
  });
});

describe("with a server", () => {
  let envoy: RunningEnvoy;
  let server: ScriptedServer;
  let echo: Awaited<ReturnType<typeof startEcho>>;
  const oddName = `100% 'q' "x" %REQ(:path)%`;
  const limits = { bodyBytes: 2 * MIB, decodedBytes: 1_000, depth: 64, deadlineMs: 5_000 };
  const bufferBytes = 4 * MIB + 65_536;

  beforeAll(async () => {
    echo = await startEcho();
    server = await startScriptedServer(0);
    const routes = [
      route(oddName, { paths: ["/odd"] }),
      route("body", { paths: ["/body"] }, { request: section({ limits }) }),
      route(
        "response",
        { paths: ["/response"] },
        { request: undefined, response: section({ direction: "response", limits }) },
      ),
    ];
    envoy = await startEnvoy(envoyBootstrap(routes, { ...OPTIONS, listen: server.address, upstream: echo.address }));
  });

  afterAll(async () => {
    await envoy.stop();
    await server.stop();
    echo.server.close();
  });

  async function post(path: string, bytes: number, headers: Record<string, string> = {}): Promise<Answer> {
    const body = Buffer.alloc(bytes, "b");
    const answer = await fetch(`http://127.0.0.1:${envoy.port}${path}`, { method: "POST", body, headers });
    return { status: answer.status, text: await answer.text() };
  }

  it("tells the server the route, whatever its name, and sends no phase more than it needs", async () => {
    await post("/odd", 3);
    expect(server.streams.at(-1)).toMatchObject({ mark: `${oddName}@SKBN`, messages: [2, 4] });
    await post("/response", 3);
    expect(server.streams.at(-1)).toMatchObject({ mark: "response@KSNB", messages: [3, 5] });
    const before = server.streams.length;
    expect((await post("/free", 3)).status).toBe(200);
    expect(server.streams.length).toBe(before);
  });

  it("asks the upstream for a plain and whole response", async () => {
    const answer = await post("/response", 3, { "accept-encoding": "gzip", range: "bytes=0-1", "if-range": "x" });
    expect(Object.keys(JSON.parse(answer.text).headers)).not.toEqual(expect.arrayContaining(["accept-encoding"]));
    expect(answer.text).not.toMatch(/range|encoding/);
  });

  it("lets a body just over bodyBytes reach the server, which is to refuse it; above the buffer it is Envoy's 413", async () => {
    for (const bytes of [limits.bodyBytes + 1, bufferBytes]) {
      expect((await post("/body", bytes)).status).toBe(200);
      expect(server.streams.at(-1)?.messageBytes[1]).toBeGreaterThan(bytes);
    }
    expect((await http2(envoy.port, { ":path": "/body", ":method": "POST" }, Buffer.alloc(bufferBytes))).status).toBe(
      200,
    );
    expect(
      (await http2(envoy.port, { ":path": "/body", ":method": "POST" }, Buffer.alloc(bufferBytes + 1))).status,
    ).toBe(413);
    const wanted = (bytes: number) => post("/response", 1, { "x-wanted-bytes": String(bytes) });
    expect((await wanted(bufferBytes)).text.length).toBe(bufferBytes);
    expect((await wanted(bufferBytes + 1)).status).toBe(500);
  });

  it("has room for a longer body in place of one", async () => {
    server.replacementBytes = 2 * limits.bodyBytes;
    try {
      expect(JSON.parse((await post("/body", 10)).text).bytes).toBe(server.replacementBytes);
      expect((await post("/response", 10)).text.length).toBe(server.replacementBytes);
    } finally {
      server.replacementBytes = 0;
    }
  });

  it("retries what the server has not looked at, and nothing else", async () => {
    const reset = async (code: number) => {
      let streams = 0;
      server.intercept = (stream) => {
        if (streams++ > 0) return false;
        stream.close(code);
        return true;
      };
      const { status } = await post("/odd", 3);
      server.intercept = () => false;
      return { status, streams };
    };
    expect(await reset(constants.NGHTTP2_REFUSED_STREAM)).toEqual({ status: 200, streams: 2 });
    expect(await reset(constants.NGHTTP2_INTERNAL_ERROR)).toEqual({ status: 500, streams: 1 });
  });

  it("shows in the access log what ext_proc did", async () => {
    await post("/odd?secret=1", 3);
    const line = await vi.waitFor(async () => {
      // Written in batches: the last line may still be one of the test before, which failed on purpose.
      const lines = (await envoy.output()).split("\n");
      const found = lines.findLast((each) => each.includes('"/odd"') && each.includes('"status":200'));
      return JSON.parse(found ?? "");
    });
    expect(line).toMatchObject({ method: "POST", path: "/odd", route: oddName, status: 200, details: "via_upstream" });
    expect(line.ext_proc).toMatch(/^rh:\d+:0,rb:1:\d+:0/);
    expect(Number(line.request_headers_us)).toBeGreaterThan(0);
    expect(Number(line.request_body_us)).toBeGreaterThan(0);
    expect(line.response_body_us).toBeNull();
  });

  it("goes on with the only server when it says NOT_SERVING, and at once with the next when it is gone", async () => {
    const port = Number(server.address.split(":")[1]);
    server.health = 2;
    await vi.waitFor(async () => expect(await health()).toContain("failed_active_hc"), 10_000);
    expect((await post("/odd", 3)).status).toBe(200);
    await server.stop();
    expect((await post("/odd", 3)).status).toBe(500);
    expect((await post("/free", 3)).status).toBe(200);
    server = await startScriptedServer(port);
    expect((await post("/odd", 3)).status).toBe(200);
    await vi.waitFor(async () => expect(await health()).toContain("::healthy"), 10_000);
  });

  async function health(): Promise<string> {
    const clusters = await (await fetch(`http://${envoy.admin}/clusters`)).text();
    return clusters.split("\n").find((line) => /^agglo_ext_proc::.*health_flags/.test(line)) ?? "";
  }
});
