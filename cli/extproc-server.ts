/** `binge extproc`, one process of it. */
import { messageBytesMax } from "../engine/core/routes/needs.ts";
import type { Child } from "../extproc/child.ts";
import { type Serving, serve } from "../extproc/serve.ts";
import { newTransport } from "../extproc/transports.ts";
import { describeBinding } from "./binding.ts";
import type { Settings } from "./extproc.ts";
import { runServer } from "./server.ts";

/** Serves until it is told to end. `child`: it is one of several, and somebody else has the admin port. */
export function runExtproc(settings: Settings, child: Child | undefined): Promise<number> {
  let described = "";
  let bytesMax = 0; // of the largest message that the routes in use may bring
  return runServer<Serving>({
    verb: "extproc",
    settings,
    source: {
      read: { bind: settings.bind },
      token: undefined,
      applied(plan) {
        described = describeBinding(plan);
        bytesMax = messageBytesMax(plan.routes ?? []);
      },
    },
    logFields: child === undefined ? {} : { process: child.index },
    hasAdmin: child === undefined,
    poolLimits: {},
    start(host, { tls }, onBug) {
      const transport = newTransport(settings.transport, { onBug, bytesMax: () => bytesMax, ...(tls && { tls }) });
      if (child === undefined) return serve({ ...host, addresses: settings.addresses, transport });
      return serve({ ...host, addresses: child.addresses, stores: child.stores, transport });
    },
    describe: ({ addresses }) => addresses.map((address) => `ext_proc on ${address}, ${described}`),
    administered: () => ({}),
    ready: (serving) => child?.ready(serving),
    orphaned: child?.orphaned,
  });
}
