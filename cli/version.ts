/** agglo's version, as its package says it. */
import { readFileSync } from "node:fs";

// Beside cli/ in the checkout and in the package.
export function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
