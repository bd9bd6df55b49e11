import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { envoyBootstrap } from "./bootstrap.ts";
import { envoyFilterOnly } from "./filter-only.ts";
import type { EnvoyOptions } from "./options.ts";
import { onFault, route, section } from "./testing.ts";

const options: EnvoyOptions = { listen: "unix:/run/agglo.sock", upstream: "backend:8080", port: 10_000 };

const observing = section({ onFault: onFault(null), guards: false, changesBody: false });
const headersOnly = section({ pipelines: [], setHeaders: [{ name: "x-a", value: "b", reference: "" }] });
const routes = [
  route("first", { paths: ["/a/**", "/b"], methods: ["POST"], hosts: ["*.example"] }),
  route("second", {}, { request: observing, response: { ...observing, direction: "response" } }),
  route("third", { headers: [{ name: "x-tenant", value: "acme" }] }, { request: headersOnly }),
];

type Yaml = { [key: string]: unknown };

/** What stands at a path of keys and indexes in a YAML text, or in a part of one. */
function at(from: unknown, ...path: (string | number)[]): unknown {
  let found = typeof from === "string" ? parse(from) : from;
  for (const key of path) found = (found as { [key: string | number]: unknown } | undefined)?.[key];
  return found;
}

const LISTENER = ["static_resources", "listeners", 0] as const;
const manager = (text: string) => at(text, ...LISTENER, "filter_chains", 0, "filters", 0, "typed_config") as Yaml;
const routesOf = (text: string) => at(manager(text), "route_config", "virtual_hosts", 0, "routes") as Yaml[];
const overridesOf = (each: Yaml | undefined, filter = "envoy.filters.http.ext_proc") =>
  at(each, "typed_per_filter_config", filter, "overrides") as Yaml;
const markOf = (each: Yaml | undefined) => at(overridesOf(each), "grpc_initial_metadata", 0);

describe("envoyBootstrap", () => {
  const text = envoyBootstrap(routes, options);

  it("keeps the order of the routes, refusals first and the catch-all last", () => {
    const names = routesOf(text).map((each) => each.name);
    expect(names).toEqual(["agglo:refused-path", "first", "second", "third", "agglo:unbound"]);
  });

  it("has an endpoint for each server process", () => {
    const several = envoyBootstrap(routes, { ...options, listen: ["127.0.0.1:7001", "127.0.0.1:7002"] });
    const endpoints = at(several, "static_resources", "clusters", 0, "load_assignment", "endpoints", 0, "lb_endpoints");
    const ports = (endpoints as Yaml[]).map((each) => at(each, "endpoint", "address", "socket_address", "port_value"));
    expect(ports).toEqual([7001, 7002]);
  });

  it("asks nothing of the server unless a route does", () => {
    const filter = at(manager(text), "http_filters", 0, "typed_config") as Yaml;
    expect(new Set(Object.values(filter.processing_mode as Yaml))).toEqual(new Set(["SKIP", "NONE"]));
    expect(filter.failure_mode_allow).toBe(false);
    expect(routesOf(text).at(-1)?.typed_per_filter_config).toBeUndefined();
  });

  it("gives a route the modes, the mark and the failure mode it needs", () => {
    const [, first, second, third] = routesOf(text);
    expect(overridesOf(first).processing_mode).toMatchObject({
      request_body_mode: "BUFFERED",
      response_header_mode: "SKIP",
    });
    expect(overridesOf(first).failure_mode_allow).toBe(false);
    expect(markOf(first)).toEqual({ key: "x-agglo-route", value: "first@SKBN" });
    expect(second?.typed_per_filter_config).not.toHaveProperty("envoy.filters.http.ext_proc");
    expect(overridesOf(third).processing_mode).toMatchObject({
      request_header_mode: "SEND",
      request_body_mode: "NONE",
    });
  });

  it("sends copies, and waits for nothing, where rules only look", () => {
    const overrides = overridesOf(routesOf(text)[2], "agglo.observer");
    expect(overrides.failure_mode_allow).toBe(true);
    expect(overrides.processing_mode).toMatchObject({ request_body_mode: "STREAMED", response_body_mode: "STREAMED" });
    expect(at(overrides, "grpc_initial_metadata", 0)).toMatchObject({ value: "second@SSSTSTO" });
    const filters = at(manager(text), "http_filters") as Yaml[];
    expect(filters.map((each) => each.name)).toEqual([
      "envoy.filters.http.ext_proc",
      "agglo.observer",
      "envoy.filters.http.router",
    ]);
    expect(at(filters[1], "typed_config")).toMatchObject({ observability_mode: true, failure_mode_allow: true });
  });

  it("asks for events as they come where a section takes them, trailers included", () => {
    const events = section({ contentTypes: ["application/json", "text/event-stream"] });
    const [, streamed] = routesOf(envoyBootstrap([route("events", {}, { request: events })], options));
    expect(overridesOf(streamed).processing_mode).toMatchObject({
      request_body_mode: "FULL_DUPLEX_STREAMED",
      request_trailer_mode: "SEND",
    });
    expect(streamed?.request_body_buffer_limit).toBeUndefined();
    expect(markOf(streamed)).toMatchObject({ value: "events@SKDTN" });
  });

  it("asks for trailers where a message without a body may have them, and a rule runs on it", () => {
    const bodyless = section({ bodyless: true });
    const [, asked] = routesOf(envoyBootstrap([route("all", {}, { request: bodyless })], options));
    expect(overridesOf(asked).processing_mode).toMatchObject({ request_trailer_mode: "SEND" });
  });

  it("asks the upstream for plain, whole responses where a rule reads them", () => {
    const masked = route("masked", {}, { request: undefined, response: section({ direction: "response" }) });
    const [, first, second] = routesOf(envoyBootstrap([routes[0] as RoutePlan, masked], options));
    expect(second?.request_headers_to_remove).toEqual(["accept-encoding", "range", "if-range"]);
    expect(first?.request_headers_to_remove).toBeUndefined();
  });

  it("raises the buffer limit only where bodies are held", () => {
    const limits = routesOf(text).map((each) => each.request_body_buffer_limit);
    expect(limits).toEqual([undefined, 2_162_688, undefined, undefined, undefined]);
  });

  it("refuses underscores in headers only where headers are looked at", () => {
    expect(manager(text).common_http_protocol_options).toEqual({ headers_with_underscores_action: "REJECT_REQUEST" });
    expect(manager(envoyBootstrap(routes.slice(0, 2), options)).common_http_protocol_options).toBeUndefined();
  });

  it.each([{ none: undefined }, { none: [] }])("binds nothing, and says how to, without routes (%j)", ({ none }) => {
    const unbound = envoyBootstrap(none, options);
    expect(routesOf(unbound).map((each) => each.name)).toEqual(["agglo:unbound"]);
    expect(unbound).toContain('"paths": ["/orders/**"]');
  });

  it("listens on loopback unless told otherwise", () => {
    const address = (change: Partial<EnvoyOptions>) =>
      at(envoyBootstrap(routes, { ...options, ...change }), ...LISTENER, "address", "socket_address");
    expect(address({})).toEqual({ address: "127.0.0.1", port_value: 10_000 });
    expect(address({ address: "0.0.0.0", port: 0 })).toEqual({ address: "0.0.0.0", port_value: 0 });
  });

  it("sets the runtime guard of graceful stream ends only when asked", () => {
    expect(at(text, "layered_runtime", "layers", 0, "static_layer")).toEqual({
      "re2.max_program_size.error_level": 100_000,
    });
    const graceful = envoyBootstrap(routes, { ...options, gracefulClose: true });
    expect(at(graceful, "layered_runtime", "layers", 0, "static_layer")).toMatchObject({
      "envoy.reloadable_features.ext_proc_graceful_grpc_close": true,
    });
  });

  it("escapes percent signs of the mark, which Envoy would expand", () => {
    const named = routesOf(envoyBootstrap([route("50%")], options))[1];
    expect(markOf(named)).toMatchObject({ value: "50%%@SKBN" });
  });

  it("is tidy: no trailing blanks, no double gaps, one newline at the end", () => {
    for (const each of [text, envoyBootstrap(undefined, options), envoyFilterOnly(routes, options)]) {
      expect(each).not.toMatch(/[ \t]\n|\n\n\n|\0|undefined/);
      expect(each).toMatch(/[^\n]\n$/);
    }
  });
});

describe("envoyFilterOnly", () => {
  it("has the five parts that a bootstrap would have", () => {
    const parts = parse(envoyFilterOnly(routes, options)) as { http_connection_manager: Yaml; routes: Yaml[] };
    const whole = manager(envoyBootstrap(routes, options));
    expect(Object.keys(parts)).toEqual([
      "http_connection_manager",
      "http_filters",
      "clusters",
      "layered_runtime",
      "routes",
    ]);
    expect(at(parts, "http_filters", 0)).toEqual(at(whole, "http_filters", 0));
    expect(parts.routes.map((each) => overridesOf(each))).toEqual(
      routesOf(envoyBootstrap(routes, options))
        .slice(0, -1)
        .map((each) => overridesOf(each)),
    );
    expect(whole).toMatchObject(parts.http_connection_manager);
  });

  it("has no routes when none are bound", () => {
    expect(at(envoyFilterOnly(undefined, options), "routes")).toEqual([]);
  });
});
