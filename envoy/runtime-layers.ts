/** Switches of Envoy that are no fields of any part: they stand in the bootstrap's runtime. */
import type { RoutePlan } from "../engine/core/routes/route.ts";
import { lines, yaml } from "./yaml.ts";

/** The bootstrap's `layered_runtime`; the empty text where nothing needs one. */
export function runtimeLayers(routes: readonly RoutePlan[], gracefulClose: boolean): string {
  if (routes.length === 0 && !gracefulClose) return "";
  return yaml`
    layered_runtime:
      layers:
        - name: agglo
          static_layer:
            ${lines([routes.length === 0 ? "" : PROGRAM_SIZE, gracefulClose ? GRACEFUL_CLOSE : ""])}
  `;
}

// Observed on 1.40: "RE2 program size of 221 > max program size of 100 set for the error level threshold".
const PROGRAM_SIZE = yaml`
  # Envoy refuses patterns of more than 100 RE2 instructions, which a route with three or four paths exceeds. These come
  # from a configuration, not from strangers, and RE2 takes linear time whatever their size.
  re2.max_program_size.error_level: 100000
`;

const GRACEFUL_CLOSE = yaml`
  # Envoy ends every ext_proc stream with RST_STREAM. A server that counts resets as an attack closes the connection
  # after some thousand of them, and the requests on it fail; with this, streams end with END_STREAM. agglo's own server
  # does not mind either way; this is for others behind the same Envoy, and costs a frame and an answer per request.
  envoy.reloadable_features.ext_proc_graceful_grpc_close: true
`;
