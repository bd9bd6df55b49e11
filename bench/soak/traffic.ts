/** The configuration that the soak runs, and the requests at a steady rate. What is slow or breaks off is in clients.ts. */
import { marked, orderText, redactedText, type Size } from "../rig/bodies.ts";
import type { Expected, Request } from "../rig/work.ts";

export const LINES = "application/x-ndjson";
export const EVENTS = "text/event-stream";

const PROCESSES = [
  { annotator: { name: "mark", annotations: [{ fieldKey: "priority", value: "high" }], onExists: "overwrite" } },
  {
    filter: {
      name: "has-priority",
      unless: { exists: { ops: [{ key: "priority", op: "Exists" }] } },
      reject: { status: 422, body: { error: "no priority" } },
    },
  },
  {
    redactor: {
      name: "cover",
      rules: [
        { paths: ["customer.mail"], mask: { keepFirst: 3 } },
        { paths: ["items[*].sku"], mask: { keepFirst: 4 } },
      ],
    },
  },
  { tee: { name: "to-memory", outputConnectorRef: "recent" } },
  { tee: { name: "to-endpoint", outputConnectorRef: "endpoint", batch: { events: 20, seconds: 1, codec: "ndjson" } } },
];

const pipeline = (name: string, ...processes: string[]) => ({
  name,
  processes: processes.map((each) => ({ name: each })),
});

/** `version` changes nothing of what is done to traffic: only that it is another configuration. `endpoint`: HOST:PORT. */
export function configuration(version: number, endpoint: string): string {
  // Two cores for everything: what is asked is that nothing fails, not that nothing is late.
  const limits = { deadlineMs: 10_000 };
  const streams = { contentTypes: [LINES, EVENTS], limits };
  return JSON.stringify({
    pipelines: [
      pipeline("mark", "mark"),
      pipeline("guard", "has-priority"),
      pipeline("cover", "cover"),
      pipeline("mirror", "mark", "to-memory", "to-endpoint"),
      pipeline("spare", "version"),
    ],
    processDefinitions: [
      ...PROCESSES,
      { annotator: { name: "version", annotations: [{ fieldKey: "version", value: `v${version}` }] } },
    ],
    externalSystems: [
      // A topic: a store would be filled up to its bound for the better part of an hour, which looks like a leak.
      { externalType: "ExternalPubSub", name: "recent", connectionString: "mem:recent" },
      { externalType: "ExternalHttp", name: "endpoint", connectionString: `http://${endpoint}/copies` },
    ],
    http: {
      version: 1,
      routes: [
        { name: "rewrite", match: { paths: ["/rewrite/**"] }, request: { pipelines: ["mark"], limits } },
        { name: "guard", match: { paths: ["/guard/**"] }, request: { pipelines: ["guard"], limits } },
        { name: "reply", match: { paths: ["/reply/**"] }, response: { pipelines: ["cover"], limits } },
        { name: "mirror", match: { paths: ["/mirror/**"] }, request: { pipelines: ["mirror"], limits } },
        {
          name: "streams",
          match: { paths: ["/streams/**"] },
          request: { pipelines: ["mark"], ...streams },
          response: { pipelines: ["cover"], ...streams },
        },
      ],
    },
  });
}

/** A kind of request, so many a second. */
export type Steady = { name: string; perSecond: number; request: Request; expect: Expected };

function post(name: string, perSecond: number, path: string, body: string, expect: Expected): Steady {
  return { name, perSecond, request: { method: "POST", path, contentType: "application/json", body }, expect };
}

function rewrite(name: string, perSecond: number, size: Size): Steady {
  const body = orderText(size);
  return post(name, perSecond, "/rewrite/1", body, { status: 200, body: marked(body) });
}

/** The upstream gives POSTs their body back, and on /reply/N an order of N bytes. */
export function steadyTraffic(): Steady[] {
  const order = orderText(1024);
  const refused = { status: 422, body: '{"error":"no priority"}' };
  const grpc = "\0\0\0\0\x05hello"; // a message of five bytes, not compressed
  const passed = post("gRPC, passed", 10, "/rewrite/1", grpc, { status: 200, body: grpc });
  return [
    rewrite("rewritten, 1 KB", 60, 1024),
    rewrite("rewritten, 16 KB", 10, 16_384),
    rewrite("rewritten, 1 MB", 0.5, 1_000_000),
    post("refused", 20, "/guard/1", order, refused),
    post("let through", 10, "/guard/1", marked(order), { status: 200, body: marked(order) }),
    post("mirrored", 20, "/mirror/1", order, { status: 200, body: marked(order) }),
    post("no route", 10, "/other/1", order, { status: 200, body: order }),
    { ...passed, request: { ...passed.request, contentType: "application/grpc" } },
    {
      name: "response masked, 16 KB",
      perSecond: 15,
      request: { method: "GET", path: "/reply/16384", contentType: "", body: undefined },
      expect: { status: 200, body: redactedText(16_384) },
    },
  ];
}
