/** `node server.ts CONFIG ADDRESS`: our ext_proc server on the native transport, a process of its own as in life. */

import { readFileSync } from "node:fs";
import { loadText } from "../../../engine/runtime/configuration.ts";
import { fixedRuntime } from "../../../engine/runtime/generations.ts";
import { startRuntime } from "../../../engine/runtime/runtime.ts";
import { nativeTransport } from "../../../extproc/grpc/native.ts";
import { acceptExchanges } from "../../../extproc/server.ts";
import { PROCESSOR_CODEC } from "../../../extproc/transports.ts";

const [file = "", address = ""] = process.argv.slice(2);
const loaded = loadText(readFileSync(file, "utf8"), file);
if (loaded.plan === undefined) throw new Error(`${file} is not right: ${JSON.stringify(loaded.diagnostics)}`);
const runtime = await startRuntime(loaded.plan, loaded.systems, { log: (_level, text) => console.error(text) });
const listening = await nativeTransport({ codec: PROCESSOR_CODEC }).listen(
  address,
  acceptExchanges(fixedRuntime(runtime)),
);
console.log(`listening ${listening.address}`);
