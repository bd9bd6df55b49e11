/** `binge envoy --filter-only`: what goes into an Envoy configuration that is already there. */
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { extProcCluster } from "./clusters.ts";
import { pathSettings } from "./connection-manager.ts";
import { extProcFilters } from "./filter.ts";
import type { EnvoyOptions } from "./options.ts";
import { boundRoutes } from "./routes.ts";
import { runtimeLayers } from "./runtime-layers.ts";
import { yaml } from "./yaml.ts";

/** Stands for the cluster that a pasted route sends its traffic to. */
const YOUR_CLUSTER = "YOUR_CLUSTER";

/** Five parts under the names of the Envoy fields they belong to. Only `listen` and `tls` of the options are read. */
export function envoyFilterOnly(
  routes: readonly RoutePlan[] | undefined,
  options: Pick<EnvoyOptions, "listen" | "tls">,
): string {
  const bound = routes ?? [];
  const text = yaml`
    # For an Envoy 1.40 of your own: five parts to paste, each under the field of the same name. Made by
    # "binge envoy --filter-only"; routes or limits that change need it made anew.

    # 1. Into every HttpConnectionManager that serves these routes. Without them a client can spell its way around a route.
    http_connection_manager:
      ${pathSettings(bound)}

    # 2. Into the same HttpConnectionManager, before envoy.filters.http.router and after whatever authenticates.
    http_filters:
      ${extProcFilters(bound)}

    # 3. Into static_resources.
    clusters:
      ${extProcCluster(options)}

    # 4. Into the bootstrap: once for the whole Envoy, also where routes come by xDS.
    ${bound.length === 0 ? "layered_runtime: {}" : runtimeLayers(bound, false)}

    # 5. Into the virtual host, in this order, before your own routes. Put your cluster in place of ${YOUR_CLUSTER}; if a
    # route is already there, give it typed_per_filter_config and the fields between match and it.
    ${
      bound.length === 0
        ? NO_ROUTES
        : yaml`
      routes:
        ${boundRoutes(bound, YOUR_CLUSTER)}
    `
    }
  `;
  return `${text}\n`;
}

const NO_ROUTES =
  "# None: no pipeline is bound to traffic; the http section of the agglo configuration does that.\nroutes: []";
