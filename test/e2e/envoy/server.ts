/** Our ext_proc server with a configuration that a test writes, without an Envoy. */
import { loadConfig } from "../../../engine/config/load.ts";
import { printDiagnostics } from "../../../engine/config/print.ts";
import type { Plan } from "../../../engine/core/plan.ts";
import type { Verdict } from "../../../engine/core/routes/section.ts";
import { fixedRuntime } from "../../../engine/runtime/generations.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../../../engine/runtime/runtime.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { acceptExchanges } from "../../../extproc/server.ts";
import { newTransport } from "../../../extproc/transports.ts";
import { transportUnderTest } from "../../../tools/start/stack.ts";

export type TestServer = {
  plan: Plan;
  runtime: Runtime;
  /** HOST:PORT */
  address: string;
  /** what it logged */
  log: string[];
  verdicts: { route: string; direction: string; verdict: Verdict }[];
  stop(): Promise<void>;
};

export async function startTestServer(config: object): Promise<TestServer> {
  const load = { file: "config.json", regexps: re2Regexps(), systemForm: findSystem };
  const { plan, systems, diagnostics, document } = loadConfig(JSON.stringify(config), load);
  if (plan === undefined) throw new Error(printDiagnostics(diagnostics, document, {}));
  const log: string[] = [];
  const verdicts: TestServer["verdicts"] = [];
  const runtime = await startRuntime(plan, systems, {
    log: (level, message) => log.push(`${level}: ${message}`),
    onVerdict: (route, direction, verdict) => verdicts.push({ route, direction, verdict }),
  });
  const transport = newTransport(transportUnderTest(), throwBug);
  const listening = await transport.listen("127.0.0.1:0", acceptExchanges(fixedRuntime(runtime)));
  const stop = async () => {
    await listening.close();
    await runtime.close(1000);
  };
  return { plan, runtime, address: listening.address, log, verdicts, stop };
}

// A bug of ours must not pass for a test that went well.
function throwBug(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
