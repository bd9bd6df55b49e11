/** The reserved keys that only a host may write. */
import { complain, type DocumentPath, type Report } from "../diagnostic.ts";

/** The host's context: what is known of the HTTP message (http.md, "Context"). */
export const HTTP_KEY = "internal:http";

/** A process that could write the host's context could make a rule believe what is not so. */
export function refuseHostKey(report: Report, path: string, at: DocumentPath): void {
  if (path !== HTTP_KEY && !path.startsWith(`${HTTP_KEY}.`)) return;
  complain(report, "E_PATH", at, `"${HTTP_KEY}" is written by the host alone`, "choose another key under internal:");
}
