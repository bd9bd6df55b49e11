/** Where made-up events go. */
import { parseHttp } from "../../engine/systems/http.ts";
import { newExchanges } from "../../engine/systems/http-exchange.ts";
import { Ending, Exit } from "../exit.ts";
import { openOutput } from "../output.ts";
import type { Target } from "./deliver.ts";

const TIMEOUT_MS = 30_000;
const JSON_BODY = { "content-type": "application/json" };

/** A file, or standard output where there is none: one line per event. */
export function toStream(file: string | undefined): Target {
  const output = openOutput(file);
  return {
    send: async (text) => ((await output.write(`${text}\n`)) ? { status: 200 } : "closed"),
    close: () => output.close(),
  };
}

/** A POST per event; connections are kept, as many as may be under way at once. */
export function toUrl(address: string, sockets: number): Target {
  const parsed = parseHttp("ExternalHttp", address);
  if ("error" in parsed) throw new Ending(Exit.usage, `binge genevents: --output: ${parsed.error}; ${parsed.remedy}`);
  const { url, shown, authorization } = parsed;
  const headers = authorization === "" ? JSON_BODY : { ...JSON_BODY, authorization };
  const exchanges = newExchanges({ url, method: "POST", headers, shown, timeoutMs: TIMEOUT_MS, sockets });
  return {
    send: (text) => exchanges.post("", Buffer.from(text)),
    close: async () => exchanges.close(),
  };
}
