/** TLS to a system, as options: files in PEM, read when it is opened. */
import { readFileSync } from "node:fs";
import type { ConfigOf } from "../core/definition.ts";
import type { SystemError } from "../core/ports.ts";
import { errorCode, failure } from "./failure.ts";

export const TLS_FIELD = {
  kind: "object",
  doc: "`{}` for TLS with the certificates that Node trusts.",
  fields: {
    caFile: { kind: "string", doc: "Certificates to trust instead, PEM." },
    certFile: { kind: "string", doc: "Our own certificate, PEM." },
    keyFile: { kind: "string", doc: "Its key, PEM." },
  },
} as const;

export type Tls = { ca?: string; cert?: string; key?: string };

/** undefined: no TLS is wished */
export function readTls(chosen: ConfigOf<typeof TLS_FIELD.fields> | undefined): Tls | undefined | SystemError {
  if (chosen === undefined) return undefined;
  const { caFile, certFile, keyFile } = chosen;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    return failure("options", "tls: certFile and keyFile belong together", false);
  }
  try {
    return {
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") }),
      ...(certFile === undefined ? {} : { cert: readFileSync(certFile, "utf8") }),
      ...(keyFile === undefined ? {} : { key: readFileSync(keyFile, "utf8") }),
    };
  } catch (thrown) {
    return failure("options", `tls: a file cannot be read (${errorCode(thrown)})`, false);
  }
}
