/** The routes of a file: those of its `http` section, or those that a file without one is bound to. */
import type { Compiler } from "../core/compiler.ts";
import { complain } from "../core/diagnostic.ts";
import {
  type Always,
  type AlwaysConfig,
  compileAlways,
  compileObservingRoute,
  compileRoute,
  type RouteConfig,
} from "../core/routes/http-config.ts";
import type { MatchPlan, RoutePlan } from "../core/routes/route.ts";
import { type CheckContext, isClean } from "./check.ts";
import { spreadOnFault } from "./on-fault.ts";
import { refuseCheckpoints } from "./pipelines.ts";
import { complainOfPolicies } from "./policies.ts";
import { suggest } from "./suggest.ts";

/** As checked: `routes` is absent, and an element null, where something is wrong with it. */
export type HttpConfig = { routes?: (RouteConfig | null)[]; always?: AlwaysConfig };

export function readRoutes(http: HttpConfig, compiler: Compiler, context: CheckContext): RoutePlan[] {
  const routes: RoutePlan[] = [];
  const always = readAlways(http, compiler);
  for (const [i, route] of (http.routes ?? []).entries()) {
    const at = ["http", "routes", i];
    if (route === null || !isClean(compiler.report, at)) continue;
    for (const direction of ["request", "response"] as const) {
      // `onFault` is still as the user wrote it here, and in its one form afterwards.
      const section = route[direction] as { onFault?: unknown } | undefined;
      if (section === undefined) continue;
      section.onFault = spreadOnFault(section.onFault, [...at, direction, "onFault"], context);
    }
    refuseCheckpoints(route, compiler.plan, at, compiler.report);
    const plan = compileRoute(route, routes, compiler, at, always);
    complainOfPolicies(route, plan, at, compiler.report);
    complainOfShadow(plan, routes, i, compiler);
    routes.push(plan);
  }
  return routes;
}

function readAlways(http: HttpConfig, compiler: Compiler): Always | undefined {
  const at = ["http", "always"];
  if (http.always === undefined || !isClean(compiler.report, at)) return undefined;
  refuseCheckpoints(http.always, compiler.plan, at, compiler.report);
  return compileAlways(http.always, compiler, at);
}

function complainOfShadow(route: RoutePlan, before: readonly RoutePlan[], index: number, compiler: Compiler): void {
  const taker = before.find(({ match }) => takesEverything(match));
  if (taker === undefined) return;
  const message = `nothing gets to "${route.name}": route "${taker.name}" before it takes everything`;
  complain(compiler.report, "W_UNUSED", ["http", "routes", index, "name"], message, `put "${taker.name}" last`);
}

function takesEverything({ methods, headers, hosts, paths }: MatchPlan): boolean {
  if (methods.length > 0 || headers.length > 0) return false;
  const anyHost = hosts.length === 0 || hosts.includes("*");
  return anyHost && (paths.length === 0 || paths.some((path) => path.text === "/**"));
}

/**
 * What a file without `http` is bound to under a proxy. `observe`: every pipeline gets every JSON request body, and the
 * traffic is never changed. Names: one route for everything, with these pipelines (`--request`, `--response`).
 */
export type Binding = "observe" | { request: string[]; response: string[] };

/** Gives the plan routes where it has none. Names beside an `http` section, or that nothing has, are complained of. */
export function bindRoutes(binding: Binding, compiler: Compiler): void {
  const { plan, report } = compiler;
  if (binding === "observe") {
    plan.routes ??= [compileObservingRoute(compiler)];
    return;
  }
  if (plan.routes !== undefined) {
    const message = "the file binds its pipelines itself, and so do --request and --response";
    complain(report, "E_ONE_OF", ["http"], message, "leave the options out, or the section");
    return;
  }
  const names = plan.pipelines.map((pipeline) => pipeline.name);
  for (const direction of ["request", "response"] as const) {
    for (const name of binding[direction]) {
      if (names.includes(name)) continue;
      const message = `--${direction} names "${name}", and no pipeline is called so`;
      complain(report, "E_REFERENCE", ["pipelines"], message, suggest(name, names) || `there are ${names.join(", ")}`);
    }
  }
  refuseCheckpoints(sectionsOf(binding, names), plan, [], report);
  plan.routes = [compileRoute(sectionsOf(binding, names), [], compiler, [])];
}

function sectionsOf(binding: Exclude<Binding, "observe">, known: readonly string[]): RouteConfig {
  const section = (pipelines: string[]) =>
    pipelines.length === 0 ? undefined : { pipelines: pipelines.filter((name) => known.includes(name)) };
  // Every other field is as if it were not written.
  return { name: "all", request: section(binding.request), response: section(binding.response) } as RouteConfig;
}
