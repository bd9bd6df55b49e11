/** `binge extproc --processes N`: the process that looks after the servers (extproc/processes.ts). */

import { type Admin, startAdmin } from "../engine/runtime/admin.ts";
import { exposition } from "../engine/runtime/exposition.ts";
import { ChildError, type Processes, startProcesses } from "../extproc/processes.ts";
import { endpointsOf } from "./endpoints.ts";
import { Ending, Exit } from "./exit.ts";
import type { Settings } from "./extproc.ts";
import { newLog } from "./log.ts";
import { terminated, unavailable } from "./server.ts";

export async function runPrimary(settings: Settings, args: readonly string[]): Promise<number> {
  const log = newLog(settings.logFormat, settings.logLevel, { process: "primary" });
  const lists = settings.addresses.map((address) => endpointsOf("extproc", address, settings.processes));
  const endpoints = Array.from({ length: settings.processes }, (_, i) => lists.map((list) => list[i] as string));
  const ended = terminated();
  const [, script = ""] = process.argv;
  const options = { script, args: ["extproc", ...args], endpoints, log, drainMs: settings.drainMs };
  const processes = await startProcesses(options).catch((error: unknown) => {
    if (error instanceof ChildError) throw new Ending(error.code, "");
    throw error;
  });
  const admin = await openAdmin(settings, processes);
  process.on("SIGHUP", () => void processes.reload());
  log("info", `${settings.processes} processes serve on ${processes.addresses().join(", ")}`);
  if (admin !== undefined) log("info", `admin on ${admin.address}`);
  await ended;
  log("info", "draining");
  await processes.drain();
  await admin?.close();
  return Exit.ok;
}

async function openAdmin({ admin }: Settings, processes: Processes): Promise<Admin | undefined> {
  if (admin === undefined) return undefined;
  try {
    return await startAdmin(admin, {
      isReady: processes.isReady,
      metrics: async () => exposition(await processes.families()),
      configuration: processes.configuration,
      reload: processes.reload,
    });
  } catch (error) {
    await processes.drain();
    throw unavailable("extproc", error);
  }
}
