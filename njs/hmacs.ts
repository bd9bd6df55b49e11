/** Keyed hashes with keys from the environment, which nginx hands on where its configuration names them (`env NAME;`). */
import crypto from "node:crypto"; // njs calls it "crypto": the bundler knows
import type { Hmacs } from "../engine/core/ports.ts";

export const hmacs: Hmacs = {
  hmacSha256: (reference, text) => crypto.createHmac("sha256", secretOf(reference)).update(text).digest("hex"),
};

declare const process: { env: { [name: string]: string | undefined } };

// Whoever has no key gets no hash: the exception becomes the fault `error`.
function secretOf(reference: string): string {
  const name = reference.slice("${env:".length, -1);
  const value = process.env[name];
  // biome-ignore lint/plugin: the one way out of a port; the handler makes it a fault
  if (value === undefined || value === "") throw new Error(`the environment variable ${name} is not set`);
  return value;
}
