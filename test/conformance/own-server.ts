/** Our own server with the configuration beside this file, in this process, so that what it mirrors can be seen. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printDiagnostics } from "../../engine/config/print.ts";
import { loadText } from "../../engine/runtime/configuration.ts";
import { fixedRuntime } from "../../engine/runtime/generations.ts";
import { startRuntime } from "../../engine/runtime/runtime.ts";
import { acceptExchanges } from "../../extproc/server.ts";
import { newTransport, type TransportName } from "../../extproc/transports.ts";

export type OwnServer = {
  address: string;
  /** Resolves when exactly this was sent to the topic of /mirror. */
  mirrored(text: string): Promise<void>;
  /** exceptions of ours, which must not be */
  bugs: unknown[];
  stop(): Promise<void>;
};

export async function startOwnServer(transport: TransportName): Promise<OwnServer> {
  const file = fileURLToPath(new URL("agglo.json", import.meta.url));
  const loaded = loadText(readFileSync(file, "utf8"), file);
  if (loaded.plan === undefined) throw new Error(printDiagnostics(loaded.diagnostics, loaded.document, {}));
  // A route that needs what Envoy does not send is said in the log; here it is provoked all the time.
  const runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => {}, allowSpawn: true });
  const awaited = new Map<string, () => void>();
  runtime.memory.subscribe("mirrored", (_id, event) => awaited.get(Buffer.from(event).toString())?.());
  const mirrored = (text: string) => new Promise<void>((resolve) => awaited.set(text, resolve));
  const bugs: unknown[] = [];
  const listening = await newTransport(transport, { onBug: (bug) => bugs.push(bug), bytesMax: () => 0 }).listen(
    "127.0.0.1:0",
    acceptExchanges(fixedRuntime(runtime)),
  );
  const stop = async () => {
    await listening.close();
    await runtime.close(1000);
  };
  return { address: listening.address, mirrored, bugs, stop };
}
