/** What is measured: a message, what is to become of it, and the configuration of agglo that makes it so. */
import { marked, markedLines, orderLines, orderText, redactedText, SIZE_TITLES, SIZES, type Size } from "./bodies.ts";

/** What the client must get. The upstream's answer says which body reached it (bench/rig/upstream.ts). */
export type Expected = { status: number; body: string };

export type Request = {
  method: "POST" | "GET";
  path: string;
  contentType: string;
  /** undefined: a request without a body */
  body: string | undefined;
};

export type Work = Request & {
  /** unique; also how the upstream's and the loader's files are told apart */
  name: string;
  /** where nothing is done to the traffic */
  untouched: Expected;
  /** by a variant that does the work */
  done: Expected;
  /** of our own server; Envoy's routes and modes are generated from it, for all variants behind Envoy */
  config: string;
};

/** What the upstream answers to a POST. */
export type Judgement = "original" | "changed" | "wrong";

const ORIGINAL: Expected = { status: 200, body: "original" };
const CHANGED: Expected = { status: 200, body: "changed" };

const PROCESSES = {
  mark: { annotator: { name: "mark", annotations: [{ fieldKey: "priority", value: "high" }], onExists: "overwrite" } },
  redact: {
    redactor: {
      name: "redact",
      rules: [
        { paths: ["customer.mail"], mask: { keepFirst: 3 } },
        { paths: ["items[*].sku"], mask: { keepFirst: 4 } },
      ],
    },
  },
  "has-items": {
    filter: {
      name: "has-items",
      unless: { exists: { ops: [{ key: "items.0", op: "Exists" }] } },
      reject: { status: 422, body: { error: "no items" } },
    },
  },
  "cover-cards": { redactor: { name: "cover-cards", rules: [{ paths: ["items[*].card"], mask: { keepLast: 4 } }] } },
  refuse: {
    filter: {
      name: "refuse",
      unless: { exists: { ops: [{ key: "priority", op: "Exists" }] } },
      reject: { status: 422, body: { error: "no priority" } },
    },
  },
  mirror: { tee: { name: "mirror", outputConnectorRef: "recent" } },
} as const;

// Bounded, and the fastest there is: what a mirror costs the traffic is measured, not what a store costs.
const RECENT = { externalType: "ExternalObjectStore", name: "recent", connectionString: "mem:recent" };

/** Where a tee sends, and how. */
export type Mirror = { externalType: string; connectionString: string; batch?: object };

type Route = { methods?: string[]; enforce?: boolean; request?: object; response?: object };

function config(processes: readonly (keyof typeof PROCESSES)[], route: Route): string {
  const { methods = ["POST"], ...rest } = route;
  return JSON.stringify({
    pipelines: [{ name: "work", processes: processes.map((name) => ({ name })) }],
    processDefinitions: processes.map((name) => PROCESSES[name]),
    externalSystems: processes.includes("mirror") ? [RECENT] : [],
    http: { version: 1, routes: [{ name: "orders", match: { paths: ["/orders/**"], methods }, ...rest }] },
  });
}

/** The rewrite, and a copy that goes to a system: `name` tells which. */
export function rewriteAndMirrorTo(name: string, { batch, ...external }: Mirror, size: Size): Work {
  const plain = JSON.parse(config(["mark", "mirror"], REQUEST)) as { processDefinitions: object[] };
  const mirror = { tee: { ...PROCESSES.mirror.tee, ...(batch && { batch }) } };
  const changed = {
    ...plain,
    processDefinitions: [PROCESSES.mark, mirror],
    externalSystems: [{ ...external, name: RECENT.name }],
  };
  return post(name, orderText(size), CHANGED, JSON.stringify(changed));
}

// 31: as deep as every njs goes.
const REQUEST: Route = { request: { pipelines: ["work"], limits: { depth: 31 } } };

function post(name: string, body: string, done: Expected, configuration: string): Work {
  const contentType = "application/json";
  const rest = { body, contentType, untouched: ORIGINAL, done, config: configuration };
  return { name, method: "POST", path: "/orders/1", ...rest };
}

/** A request's JSON gains a field. */
export function rewrite(size: Size): Work {
  return post(`rewrite ${SIZE_TITLES[size]}`, orderText(size), CHANGED, config(["mark"], REQUEST));
}

/** Three processes: an order needs items, card numbers are covered (there are none), a field is added. */
export function guard(size: Size): Work {
  return post("guard", orderText(size), CHANGED, config(["has-items", "cover-cards", "mark"], REQUEST));
}

/** A response's JSON gains a field. */
export function rewriteResponse(size: Size): Work {
  const body = orderText(size);
  return {
    ...post("response rewrite", "", CHANGED, config(["mark"], { methods: ["GET"], response: { pipelines: ["work"] } })),
    method: "GET",
    path: replyPath(size),
    body: undefined,
    untouched: { status: 200, body },
    done: { status: 200, body: marked(body) },
  };
}

export function reject(size: Size): Work {
  const refused = { status: 422, body: '{"error":"no priority"}' };
  return post("reject", orderText(size), refused, config(["refuse"], REQUEST));
}

/** A copy goes to a store, and the request gains a field: Envoy waits for it. */
export function annotateAndMirror(size: Size): Work {
  return post("annotate + mirror", orderText(size), CHANGED, config(["mark", "mirror"], REQUEST));
}

/** Only a copy goes to a store: the generated configuration uses Envoy's observability mode, with STREAMED bodies. */
export function mirror(size: Size): Work {
  return post("mirror only", orderText(size), ORIGINAL, config(["mirror"], REQUEST));
}

/** Two fields of the customer and one of every item are covered. */
export function redact(size: Size): Work {
  return post("redact", orderText(size), CHANGED, config(["redact"], REQUEST));
}

/** The rewrite, which only counts what it would have done. */
export function dryRun(size: Size): Work {
  return post("dry run", orderText(size), ORIGINAL, config(["mark"], { ...REQUEST, enforce: false }));
}

/** The rewrite's configuration, and traffic that it is not for. */
export function noRoute(size: Size): Work {
  return { ...post("no route", orderText(size), ORIGINAL, config(["mark"], REQUEST)), path: "/other/1" };
}

const LINES = 16;
const NDJSON = "application/x-ndjson";

/** Every line gains a field as it comes: FULL_DUPLEX_STREAMED. */
export function rewriteLines(): Work {
  const route = { request: { pipelines: ["work"], contentTypes: [NDJSON] } };
  return { ...post("rewrite lines", orderLines(LINES), CHANGED, config(["mark"], route)), contentType: NDJSON };
}

/** Paths the upstream answers with an order of that size. */
export function replyPath(size: Size): string {
  return `/orders/reply/${size}`;
}

/** Every body that may reach the upstream, and what it says of it. */
export function judgements(): { body: string; says: Judgement }[] {
  const found: { body: string; says: Judgement }[] = [
    { body: orderLines(LINES), says: "original" },
    { body: markedLines(LINES), says: "changed" },
  ];
  for (const size of SIZES) {
    found.push({ body: orderText(size), says: "original" });
    found.push({ body: marked(orderText(size)), says: "changed" });
    found.push({ body: redactedText(size), says: "changed" });
  }
  return found;
}
