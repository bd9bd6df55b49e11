/** `node server.ts CONFIG ADDRESS`: our ext_proc server on the native transport, a process of its own as in life. */
import { readFileSync } from "node:fs";
import { loadConfig } from "../../../engine/config/load.ts";
import { fixedRuntime } from "../../../engine/runtime/generations.ts";
import { re2Regexps } from "../../../engine/runtime/regexps.ts";
import { startRuntime } from "../../../engine/runtime/runtime.ts";
import { findSystem } from "../../../engine/systems/registry.ts";
import { nativeTransport } from "../../../extproc/grpc/native.ts";
import { acceptExchanges } from "../../../extproc/server.ts";
import { PROCESSOR_CODEC } from "../../../extproc/transports.ts";

const [file = "", address = ""] = process.argv.slice(2);
const loaded = loadConfig(readFileSync(file, "utf8"), { file, regexps: re2Regexps(), systemForm: findSystem });
if (loaded.plan === undefined) throw new Error(`${file} is not right: ${JSON.stringify(loaded.diagnostics)}`);
const runtime = await startRuntime(loaded.plan, loaded.systems, { log: (_level, text) => console.error(text) });
const listening = await nativeTransport({ codec: PROCESSOR_CODEC }).listen(
  address,
  acceptExchanges(fixedRuntime(runtime)),
);
console.log(`listening ${listening.address}`);
