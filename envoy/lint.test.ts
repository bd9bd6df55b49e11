import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { envoyBootstrap } from "./bootstrap.ts";
import { envoyFilterOnly } from "./filter-only.ts";
import { lintEnvoy } from "./lint.ts";
import { onFault, route, section } from "./testing.ts";

const TYPE = "type.googleapis.com/envoy.extensions.filters.http";
const METADATA = { receiving_namespaces: { untyped: ["agglo"] } };
const SAFE = {
  request_header_mode: "SEND",
  response_header_mode: "SEND",
  request_body_mode: "BUFFERED",
  response_body_mode: "BUFFERED",
  request_trailer_mode: "SEND",
  response_trailer_mode: "SEND",
};

/** A chain with one ext_proc filter of these modes and fields. */
function chain(modes: object, fields: object = {}): object {
  const typed_config = {
    "@type": `${TYPE}.ext_proc.v3.ExternalProcessor`,
    processing_mode: { ...SAFE, ...modes },
    metadata_options: METADATA,
    ...fields,
  };
  return { http_filters: [{ name: "ext_proc", typed_config }] };
}

const looking = section({ guards: false, changesBody: false, onFault: onFault(null) });
const response = section({ direction: "response" });
const guarding = [route("guard", {}, { response })];
const onlyLooking = [route("look", {}, { request: looking, response: { ...looking, direction: "response" } })];

const errors = (config: object, routes: RoutePlan[] | undefined) =>
  lintEnvoy(config, routes).map(({ code, path }) => `${code} ${path.join(".")}`);
const FILTER = "http_filters.0.typed_config";

const refused: [string, object, string][] = [
  ["a kept content-length", chain({}, { allow_content_length_header: true }), "allow_content_length_header"],
  ["refusals made errors", chain({}, { disable_immediate_response: true }), "disable_immediate_response"],
  [
    "odd headers made errors",
    chain({}, { mutation_rules: { disallow_is_error: true } }),
    "mutation_rules.disallow_is_error",
  ],
  ["request bodies without headers", chain({ request_header_mode: "SKIP" }), "processing_mode.request_header_mode"],
  ["response bodies without headers", chain({ response_header_mode: "SKIP" }), "processing_mode.response_header_mode"],
  ["GRPC", chain({ request_body_mode: "GRPC" }), "processing_mode.request_body_mode"],
  ["GRPC by its number", chain({ request_body_mode: 5 }), "processing_mode.request_body_mode"],
  [
    "full duplex without trailers",
    chain({ response_body_mode: "FULL_DUPLEX_STREAMED", response_trailer_mode: "DEFAULT" }),
    "processing_mode.response_trailer_mode",
  ],
  ["failing open", chain({}, { failure_mode_allow: true }), "failure_mode_allow"],
  ["failing open in camel case", chain({}, { failureModeAllow: true }), "failureModeAllow"],
  ["observing", chain({}, { observability_mode: true }), "observability_mode"],
  [
    "raising a mode",
    chain({}, { allow_mode_override: true, allowed_override_modes: [{}, { request_body_mode: "STREAMED" }] }),
    "allowed_override_modes.1",
  ],
];

describe("with rules that guard", () => {
  test.each(refused)("%s is refused where it stands", (_title, config, field) => {
    const found = errors(config, guarding);
    expect(found).toContain(`E_ENVOY ${FILTER}.${field}`);
    expect(errors(config, undefined)).toEqual(found); // as if something guarded
    for (const finding of lintEnvoy(config, guarding)) expect(finding.remedy).not.toBe("");
  });

  test("the same filter without any of it is right", () => {
    expect(errors(chain({}), guarding)).toEqual([]);
    expect(
      errors(chain({ request_body_mode: "FULL_DUPLEX_STREAMED" }, { allow_mode_override: true }), guarding),
    ).toEqual([]);
  });

  test("a message of headers and trailers is seen only with trailers", () => {
    const bodyless = [route("bodyless", {}, { request: section({ bodyless: true }) })];
    const place = `E_ENVOY ${FILTER}.processing_mode.request_trailer_mode`;
    expect(errors(chain({ request_trailer_mode: "SKIP" }), bodyless)).toEqual([place]);
    expect(errors(chain({ request_trailer_mode: "SKIP" }), guarding)).toEqual([]);
  });

  test("a decompressor behind the filter is refused, before it is right", () => {
    const { http_filters } = chain({}) as { http_filters: object[] };
    const decompressor = { name: "d", typed_config: { "@type": `${TYPE}.decompressor.v3.Decompressor` } };
    expect(errors({ http_filters: [...http_filters, decompressor] }, guarding)).toEqual(["E_ENVOY http_filters.1"]);
    expect(errors({ http_filters: [decompressor, ...http_filters] }, guarding)).toEqual([]);
  });

  test("a route's own settings count, those of a disabled one do not", () => {
    const own = (fields: object) => ({
      ...chain({}),
      routes: [
        { typed_per_filter_config: { ext_proc: { "@type": `${TYPE}.ext_proc.v3.ExtProcPerRoute`, ...fields } } },
      ],
    });
    const at = "routes.0.typed_per_filter_config.ext_proc.overrides";
    expect(errors(own({ overrides: { failure_mode_allow: true } }), guarding)).toEqual([
      `E_ENVOY ${at}.failure_mode_allow`,
    ]);
    const modes = { ...SAFE, request_header_mode: "SKIP" };
    expect(errors(own({ overrides: { processing_mode: modes } }), guarding)).toContain(
      `E_ENVOY ${at}.processing_mode.request_header_mode`,
    );
    expect(errors(own({ disabled: true, overrides: { failure_mode_allow: true } }), guarding)).toEqual([]);
    const stranger = [{ key: "x-agglo-route", value: "gone@SSBB" }];
    expect(errors(own({ overrides: { grpc_initial_metadata: stranger } }), guarding)).toEqual([`E_ENVOY ${at}`]);
  });
});

test("where rules only look, Envoy may observe, fail open and send bodies alone", () => {
  const config = chain({ response_header_mode: "SKIP" }, { observability_mode: true, failure_mode_allow: true });
  expect(errors(config, onlyLooking)).toEqual([]);
});

test("missing namespaces are a warning", () => {
  expect(errors(chain({}, { metadata_options: {} }), guarding)).toEqual([`W_ENVOY ${FILTER}`]);
});

test("a configuration without ext_proc is said to be none", () => {
  expect(errors({ static_resources: {} }, guarding)).toEqual(["E_ENVOY "]);
});

describe("what binge envoy prints", () => {
  const duplex = section({ contentTypes: ["application/x-ndjson"], bodyless: true });
  const routes = [
    ...guarding,
    ...onlyLooking,
    route("100% odd", { paths: ["/a"] }, { request: section({ bodyless: true }) }),
    route("open", {}, { request: section({ onFault: onFault(null) }) }),
    route("duplex", {}, { request: duplex, response: { ...duplex, direction: "response" } }),
    route("response", {}, { request: undefined, response }),
    route(
      "headers",
      {},
      { request: section({ pipelines: [], setHeaders: [{ name: "x-a", value: "b", reference: "" }] }) },
    ),
  ];
  const options = { listen: "unix:/run/agglo.sock", upstream: "backend:8080", port: 10_000 };

  test.each([
    ["complete", envoyBootstrap(routes, options)],
    ["to paste", envoyFilterOnly(routes, options)],
  ])("has nothing to complain of: %s", (_title, text) => {
    expect(lintEnvoy(parse(text), routes)).toEqual([]);
    expect(lintEnvoy(parse(text), undefined)).toEqual([]);
  });

  test("and one wrong word in it is found", () => {
    const text = envoyBootstrap(routes, options);
    // The first "false" is the filter's own, which sends nothing; the second is the first route's.
    const wrong = text.replace(/(failure_mode_allow: false.*?failure_mode_allow: )false/s, "$1true");
    expect(lintEnvoy(parse(wrong), routes)).toHaveLength(1);
  });
});
