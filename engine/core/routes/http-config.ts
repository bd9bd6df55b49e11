/** The `http` section of a configuration: its fields, and the compilation of its routes (http.md). */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { compileMatch, MATCH_FIELDS } from "./match-config.ts";
import { compileParts, findPipelines, PARTS_FIELDS, type Parts, PIPELINES_FIELD } from "./parts-config.ts";
import type { ExchangePlan, RoutePlan } from "./route.ts";
import { compileSection, REQUEST_FIELDS, RESPONSE_FIELDS } from "./section-config.ts";

const EXCHANGE_FIELDS = {
  pipelines: Object.assign({}, PIPELINES_FIELD, { required: true } as const),
  bodyBytes: {
    kind: "integer",
    min: 0,
    max: 1 << 24,
    doc: "How much of either body goes into the event; more is left out. Default 64 KiB.",
  },
} as const;

export const HTTP_FIELDS = {
  version: { kind: "integer", required: true, min: 1, max: 1, doc: "1." },
  routes: {
    kind: "list",
    required: true,
    doc: "The first that matches an exchange is its route, in both directions.",
    of: {
      kind: "object",
      doc: "A route.",
      fields: {
        name: { kind: "string", required: true, doc: "Unique; in metrics, logs and the proxy's metadata." },
        match: { kind: "object", fields: MATCH_FIELDS, doc: "What it applies to; absent: everything." },
        enforce: {
          kind: "boolean",
          doc: "false: a dry run. Everything runs and tees send, no message is changed or refused, and what would have become of it is counted. Default true.",
        },
        request: { kind: "object", fields: REQUEST_FIELDS, doc: "What happens to requests." },
        response: { kind: "object", fields: RESPONSE_FIELDS, doc: "What happens to responses." },
        exchange: {
          kind: "object",
          fields: EXCHANGE_FIELDS,
          doc: "Afterwards: one event with the request, the response, its status and how long it took.",
        },
        gateway: {
          kind: "boolean",
          doc: "In nginx: hold the whole response, so that its content can decide its status. Nothing streams then.",
        },
      },
    },
  },
  always: {
    kind: "object",
    doc: "Under every route, also where it has no such section. What a section does not take (content types, statuses) this does not see either.",
    fields: {
      request: { kind: "object", fields: PARTS_FIELDS, doc: "Before what the route's request section says." },
      response: { kind: "object", fields: PARTS_FIELDS, doc: "After what the route's response section says." },
    },
  },
} as const;

export type RouteConfig = ConfigOf<typeof HTTP_FIELDS>["routes"][number];
export type AlwaysConfig = NonNullable<ConfigOf<typeof HTTP_FIELDS>["always"]>;

/** What `always` says, compiled once for all routes. */
export type Always = { request: Parts | undefined; response: Parts | undefined };

export function compileAlways(config: AlwaysConfig, compiler: Compiler, at: DocumentPath): Always {
  const request = config.request;
  const response = config.response;
  return {
    request: request === undefined ? undefined : compileParts(request, compiler, at.concat("request")),
    response: response === undefined ? undefined : compileParts(response, compiler, at.concat("response")),
  };
}

const ROUTE_NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** Compiles one route; `before` are those that stand before it. */
export function compileRoute(
  config: RouteConfig,
  before: readonly RoutePlan[],
  compiler: Compiler,
  at: DocumentPath,
  always?: Always,
): RoutePlan {
  if (!ROUTE_NAME.test(config.name)) {
    complain(compiler.report, "E_VALUE", at.concat("name"), "a route's name is made of letters, digits and . _ -", "");
  }
  if (before.some((other) => other.name === config.name)) {
    const message = `two routes are called "${config.name}"`;
    complain(compiler.report, "E_DUPLICATE_NAME", at.concat("name"), message, "rename one");
  }
  const enforce = config.enforce ?? true;
  const route: RoutePlan = {
    name: config.name,
    match: compileMatch(config.match, compiler, at.concat("match")),
    request: compileSection(config.request, "request", always?.request, enforce, compiler, at.concat("request")),
    response: compileSection(config.response, "response", always?.response, enforce, compiler, at.concat("response")),
    exchange: compileExchange(config.exchange, compiler, at.concat("exchange")),
    gateway: config.gateway ?? false,
  };
  if (route.request === undefined && route.response === undefined && route.exchange === undefined) {
    complain(compiler.report, "E_MISSING_FIELD", at, "the route does nothing", "add a request or a response section");
  }
  return route;
}

function compileExchange(
  config: RouteConfig["exchange"],
  compiler: Compiler,
  at: DocumentPath,
): ExchangePlan | undefined {
  if (config === undefined) return undefined;
  return {
    pipelines: findPipelines(config.pipelines, compiler, at.concat("pipelines")),
    bodyBytes: config.bodyBytes ?? 65_536,
  };
}

/**
 * The route of a file that binds nothing, under a proxy (http.md): every pipeline gets every JSON request body as the
 * original's daemon would give it, and the traffic is never changed.
 */
export function compileObservingRoute(compiler: Compiler): RoutePlan {
  const config = { name: OBSERVING_ROUTE, enforce: false, request: {} } as unknown as RouteConfig;
  const route = compileRoute(config, [], compiler, ["pipelines"]);
  if (route.request === undefined) return route;
  route.request.pipelines = compiler.plan.pipelines.map((_, i) => i); // by place: without routes names may be shared
  route.request.separate = true;
  return route;
}

const OBSERVING_ROUTE = "all";
