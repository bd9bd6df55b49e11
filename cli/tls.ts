/** Certificates of a listener: files named on the command line, read and checked together, and again at every reload. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { TlsOptions } from "../engine/runtime/listen.ts";
import { type Arguments, optionalString } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";

/** Paths of PEM files. `clientCa`: only clients whose certificate it signed may connect. */
export type TlsFiles = { cert: string; key: string; clientCa: string | undefined };

/** undefined: plain text is asked for. */
export function tlsFiles(verb: string, args: Arguments): TlsFiles | undefined {
  const cert = optionalString(args, "tls-cert");
  const key = optionalString(args, "tls-key");
  const clientCa = optionalString(args, "tls-client-ca");
  if (cert !== undefined && key !== undefined) return { cert, key, clientCa };
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  throw new Ending(Exit.usage, `binge ${verb}: TLS needs both --tls-cert and --tls-key; see binge --help`);
}

/** What the files hold, or in one line why they will not do. */
export function readTls(files: TlsFiles, nowMs: number): { tls: TlsOptions } | { error: string } {
  const cert = read(files.cert);
  const key = read(files.key);
  const ca = files.clientCa === undefined ? undefined : read(files.clientCa);
  for (const file of [cert, key, ca]) if (file !== undefined && "error" in file) return file;
  const { pem } = cert as Read;
  const tls: TlsOptions = { cert: pem, key: (key as Read).pem };
  if (ca !== undefined) Object.assign(tls, { ca: (ca as Read).pem, requestClientCert: true });
  try {
    createSecureContext(tls); // throws where certificate and key do not belong together
    const { validTo } = new X509Certificate(pem);
    if (Date.parse(validTo) < nowMs) return { error: `${files.cert}: the certificate ended on ${validTo}` };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return { error: `${files.cert} and ${files.key} are no certificate with its key: ${said}` };
  }
  return { tls };
}

type Read = { pem: Buffer };

function read(path: string): Read | { error: string } {
  try {
    return { pem: readFileSync(path) };
  } catch (error) {
    return { error: `${path}: cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}
