/** Envoy, an upstream and our ext_proc server around routes, all on loopback. */
import { printDiagnostics } from "../../engine/config/print.ts";
import { messageBytesMax } from "../../engine/core/routes/needs.ts";
import type { RoutePlan } from "../../engine/core/routes/route.ts";
import type { Verdict } from "../../engine/core/routes/section.ts";
import { loadFile } from "../../engine/runtime/configuration.ts";
import { fixedRuntime } from "../../engine/runtime/generations.ts";
import { openPool, type PoolOptions } from "../../engine/runtime/pool.ts";
import { type Runtime, startRuntime } from "../../engine/runtime/runtime.ts";
import { envoyBootstrap } from "../../envoy/bootstrap.ts";
import { memoryForReads } from "../../extproc/message-state.ts";
import { acceptExchanges } from "../../extproc/server.ts";
import type { Accept, Memory } from "../../extproc/transport.ts";
import { newTransport, type TransportName } from "../../extproc/transports.ts";
import { type RunningEnvoy, startEnvoy } from "../run-envoy.ts";
import { type Respond, startUpstream, type Upstream } from "./upstream.ts";

/** A real Envoy between its clients and an upstream, with our server at its side. */
export type Rig = { envoy: RunningEnvoy; upstream: Upstream; stop(): Promise<void> };

export type RigOptions = {
  /** Envoy's port; 0 = any */
  port: number;
  /** Envoy ends ext_proc streams with END_STREAM instead of RST_STREAM */
  gracefulClose?: boolean;
  transport?: TransportName;
  /** of messages half received; without bound when left out */
  memory?: Memory;
  /** how the upstream answers; it echoes when left out */
  respond?: Respond;
};

/** Starts all three for `routes`; `accept` takes the calls of Envoy. Rejects with a message for people. */
export async function startRig(routes: readonly RoutePlan[], accept: Accept, options: RigOptions): Promise<Rig> {
  const upstream = await startUpstream(options.respond);
  const transport = newTransport(options.transport ?? transportUnderTest(), {
    onBug: throwBug,
    bytesMax: () => messageBytesMax(routes),
  });
  const listening = await transport.listen("127.0.0.1:0", accept, options.memory);
  const stopServers = async () => {
    await listening.close();
    await upstream.stop();
  };
  try {
    const bootstrap = envoyBootstrap(routes, {
      listen: listening.address,
      upstream: upstream.address,
      port: options.port,
      adminPort: 0,
      gracefulClose: options.gracefulClose ?? false,
    });
    const envoy = await startEnvoy(bootstrap);
    const stop = async () => {
      await envoy.stop();
      await stopServers();
    };
    return { envoy, upstream, stop };
  } catch (error) {
    await stopServers();
    throw error;
  }
}

export type Stack = Rig & {
  runtime: Runtime;
  /** called with every verdict; may be replaced */
  onVerdict: (route: string, direction: string, verdict: Verdict) => void;
  /** called with every copy that goes to a system; may be replaced */
  onCopy: (system: string, payload: string) => void;
};

export type StackOptions = RigOptions & {
  /** what the server may hold for others; its default when left out */
  memoryBytes?: number;
};

/** A rig around the configuration in `file`; rejects with a message for people. */
export async function startStack(file: string, options: StackOptions): Promise<Stack> {
  const loaded = loadFile(file, { bind: "observe" });
  if ("error" in loaded) throw new Error(loaded.error);
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document, {}));
  const pool = openPool({ onCrash: throwBug, ...poolUnderTest() });
  const runtime = await startRuntime(loaded.plan, loaded.systems, {
    pool,
    log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
    onVerdict: (route, direction, verdict) => stack.onVerdict(route, direction, verdict),
    ...(options.memoryBytes !== undefined && { memoryBytes: options.memoryBytes }),
  });
  const { tees } = runtime.ports;
  const offer: typeof tees.offer = (target, sending, id, payload) => {
    stack.onCopy(target.name, payload);
    tees.offer(target, sending, id, payload);
  };
  runtime.ports.tees = { ...tees, offer };
  if (process.env.AGGLO_POOL === "all") await pool.warm();
  const closeRuntime = async () => {
    await runtime.close(1000);
    await pool.close();
  };
  let rig: Rig;
  try {
    const memory = memoryForReads(runtime.budget);
    rig = await startRig(loaded.plan.routes ?? [], acceptExchanges(fixedRuntime(runtime)), { ...options, memory });
  } catch (error) {
    await closeRuntime();
    throw error;
  }
  const stop = async () => {
    await rig.stop();
    await closeRuntime();
  };
  const stack: Stack = { ...rig, runtime, onVerdict: () => {}, onCopy: () => {}, stop };
  return stack;
}

// A bug of ours must not pass for a test that went well.
function throwBug(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** vitest.config.ts runs the tests through Envoy once per transport. */
export function transportUnderTest(): TransportName {
  return process.env.AGGLO_TRANSPORT === "grpc-js" ? "grpc-js" : "native";
}

/** The tests through Envoy run once more with every body in the pool, however small. */
function poolUnderTest(): Partial<PoolOptions> {
  return process.env.AGGLO_POOL === "all" ? { nsPerByte: 1e9, limits: { waitMs: 5000 } } : {};
}
