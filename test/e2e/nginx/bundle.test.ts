/** The bundle as text, and at work on Node with a request by hand: both flavours, the one for QuickJS included. */
import { describe, expect, test } from "vitest";
import { guard } from "../../../bench/rig/work.ts";
import { loadConfig } from "../../../engine/config/load.ts";
import { printDiagnostics } from "../../../engine/config/print.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { bundledOf, teesOf } from "../../../nginx/parts.ts";
import { findTarget, TARGETS, type Target } from "../../../nginx/targets.ts";
import { bundle } from "../../../njs/bundle.ts";
import type { Handlers } from "../../../njs/handlers.ts";

async function bundleFor(config: string, target: Target): Promise<string> {
  const loaded = loadConfig(config, { file: "f", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document));
  return await bundle(bundledOf(loaded.plan, teesOf(loaded, target), target));
}

const KB = 1024;

const NJS_CONFIG = guard(1024).config;

test.each(TARGETS)("$name: a file of three processes is at most 30 KB, all of it ASCII", async (target) => {
  const text = await bundleFor(NJS_CONFIG, target);
  expect(text.length).toBeLessThanOrEqual(30 * KB);
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
});

test("a bundle carries what its file uses, and nothing else", async () => {
  const text = await bundleFor(NJS_CONFIG, findTarget("njs-0.9.9") as Target);
  expect(
    /spawner|completer|createHmac|js_periodic|teeOffered|agglo_gateway|Idempotency/.exec(text)?.[0],
  ).toBeUndefined();
  expect(text).not.toContain("Fields by name: an RE2 pattern"); // docs stay at home
});

test("more than a third of its functions is put aside, and not made for a usual request", async () => {
  const text = await bundleFor(NJS_CONFIG, findTarget("njs-0.7.9") as Target);
  const maker = /return \w+===void 0\?\w+=(\w+)\(\):\w+\}/.exec(text)?.[1];
  const aside = text.slice(text.indexOf(`function ${maker}(){`));
  const functions = (part: string) => part.split("function ").length;
  expect(functions(aside) / functions(text)).toBeGreaterThan(1 / 3);
});

/** njs 0.7.9 reads no more than this; the real one is in test/e2e/nginx. */
test("the flavour for njs holds nothing that it does not parse", async () => {
  const text = await bundleFor(NJS_CONFIG, findTarget("njs-0.7.9") as Target);
  expect(text).toMatch(/export default \w+;\s*$/);
  expect(/\bclass\b|\bfor\s*\([^;)]* of |\.\.\.|\?\.[a-z([]|\bnew (?:Map|Set)\b/.exec(text)?.[0]).toBeUndefined();
});

describe.each(["njs-0.9.9", "qjs-1.0.2"])("%s, run on Node", (name) => {
  async function ask(body: string, headers: [string, string][] = [["Content-Type", "application/json"]]) {
    const text = await bundleFor(NJS_CONFIG, findTarget(name) as Target);
    const counters: { [key: string]: number } = {};
    const zone = { incr: (key: string, delta: number) => (counters[key] = (counters[key] ?? 0) + delta) };
    Object.assign(globalThis, { ngx: { shared: { agglo_counters: zone } } });
    const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as { default: Handlers };
    const variables: { [name: string]: string } = { request_uri: "/orders/1" };
    let came: unknown;
    const request = {
      method: "POST",
      headersIn: {},
      rawHeadersIn: headers,
      headersOut: {},
      variables,
      requestBuffer: Buffer.from(body),
      requestText: body,
      internalRedirect: (location: string) => {
        came = { location, body: location.endsWith("_body") ? variables.agglo_body : body };
      },
      return: (status: number, text: string) => {
        came = { status, text };
      },
    };
    await module.default.request(request as never);
    return { came, counters };
  }

  test("a request is rewritten, and counted", async () => {
    expect(await ask('{"items":[{"card":"4111111111111111","s":"é"}]}')).toEqual({
      came: {
        location: "@agglo_orders_body",
        body: '{"items":[{"card":"************1111","s":"é"}],"priority":"high"}',
      },
      counters: { "messages|orders|request|changed": 1, "redacted|cover-cards[0]": 1 },
    });
  });

  test("or refused", async () => {
    expect((await ask('{"items":[]}')).came).toEqual({ status: 422, text: '{"error":"no items"}' });
  });

  test("a context that is used again keeps nothing of the request before", async () => {
    const order = '{"items":[{"card":"4111111111111111"}]}';
    const first = await ask(order);
    await ask('{"items":[{"card":"5500005555555559","secret":1}],"priority":"low"}');
    await ask('{"items":[]}');
    await ask("{", [["Content-Type", "text/plain"]]);
    expect(await ask(order)).toEqual(first);
  });

  // njs's own engine goes no deeper (request.test.ts); QuickJS has to be told.
  if (!name.startsWith("qjs")) return;
  test("or too deep", async () => {
    expect((await ask(`{"items":${"[".repeat(30)}${"]".repeat(30)}}`)).came).toMatchObject({
      location: "@agglo_orders_body",
    });
    expect((await ask(`{"items":${"[".repeat(31)}${"]".repeat(31)}}`)).came).toMatchObject({ status: 400 });
  });
});
