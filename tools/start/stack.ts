/** Envoy, an upstream and our ext_proc server around one configuration, all on loopback. */
import { readFileSync } from "node:fs";
import { loadConfig } from "../../engine/config/load.ts";
import { printDiagnostics } from "../../engine/config/print.ts";
import { messageBytesMax } from "../../engine/core/routes/needs.ts";
import type { Verdict } from "../../engine/core/routes/section.ts";
import { filesBeside } from "../../engine/runtime/config-files.ts";
import { re2Regexps } from "../../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../../engine/runtime/runtime.ts";
import { ajvSchemas } from "../../engine/runtime/schemas.ts";
import { findSystem } from "../../engine/systems/registry.ts";
import { envoyBootstrap } from "../../envoy/bootstrap.ts";
import { acceptExchanges } from "../../extproc/server.ts";
import { newTransport, type TransportName } from "../../extproc/transports.ts";
import { type RunningEnvoy, startEnvoy } from "../run-envoy.ts";
import { type Respond, startUpstream, type Upstream } from "./upstream.ts";

export type Stack = {
  envoy: RunningEnvoy;
  upstream: Upstream;
  runtime: Runtime;
  /** called with every verdict; may be replaced */
  onVerdict: (route: string, direction: string, verdict: Verdict) => void;
  stop(): Promise<void>;
};

export type StackOptions = {
  /** Envoy's port; 0 = any */
  port: number;
  /** Envoy ends ext_proc streams with END_STREAM instead of RST_STREAM */
  gracefulClose?: boolean;
  transport?: TransportName;
  /** how the upstream answers; it echoes when left out */
  respond?: Respond;
};

/** Starts everything around the configuration in `file`; rejects with a message for people. */
export async function startStack(file: string, options: StackOptions): Promise<Stack> {
  const regexps = re2Regexps();
  const load = { file, regexps, schemas: ajvSchemas(regexps), readFile: filesBeside(file), systemForm: findSystem };
  const loaded = loadConfig(readFileSync(file, "utf8"), load);
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document, {}));
  const plan = loaded.plan;
  const runtime = await startRuntime(plan, loaded.systems, {
    log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
    onVerdict: (route, direction, verdict) => stack.onVerdict(route, direction, verdict),
  });
  const upstream = await startUpstream(options.respond);
  const bytesMax = messageBytesMax(plan.routes ?? []);
  const transport = newTransport(options.transport ?? transportUnderTest(), throwBug, bytesMax);
  const listening = await transport.listen("127.0.0.1:0", acceptExchanges(runtime));
  const stopServers = async () => {
    await listening.close();
    await runtime.close(1000);
    await upstream.stop();
  };
  let envoy: RunningEnvoy;
  try {
    const bootstrap = envoyBootstrap(plan.routes ?? [], {
      listen: listening.address,
      upstream: upstream.address,
      port: options.port,
      adminPort: 0,
      gracefulClose: options.gracefulClose ?? false,
    });
    envoy = await startEnvoy(bootstrap);
  } catch (error) {
    await stopServers();
    throw error;
  }
  const stop = async () => {
    await envoy.stop();
    await stopServers();
  };
  const stack: Stack = { envoy, upstream, runtime, onVerdict: () => {}, stop };
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
