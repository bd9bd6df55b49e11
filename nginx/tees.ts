/** How a tee's copies leave nginx, by the kind of system and what the target has. */
import { isIP } from "node:net";
import type { SystemConfig } from "../engine/config/external-systems.ts";
import type { Target } from "./targets.ts";

export type Tee = {
  system: string;
  /** log: a line of an access log; subrequest: a detached subrequest; queue: kept in a zone and sent by one worker */
  way: "log" | "subrequest" | "queue";
  /** as the handlers name it: a variable, a location, a URL */
  to: string;
  /** the folder, or the URL */
  target: string;
};

/** undefined: nginx has no way to it. `index` tells the tees of a file apart. */
export function teeOf(system: SystemConfig, index: number, target: Target): Tee | undefined {
  const own = { system: system.name, target: system.connectionString };
  if (system.type === "ExternalLocalFile") {
    const folder = system.connectionString.replace(/^file:(\/\/(?=\/))?/, "");
    return { ...own, way: "log", to: `agglo_log_${index}`, target: folder };
  }
  if (system.type !== "ExternalHttp") return undefined;
  const url = new URL(system.connectionString); // the loader has read it
  // A fetch asks no name server that nobody configured, and carries no password; a proxied location can do both.
  const isPlain = url.protocol === "http:" && url.username === "" && url.password === "";
  const isAddress = isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0;
  if (target.zones && isPlain && isAddress) return { ...own, way: "queue", to: url.href };
  return { ...own, way: "subrequest", to: `/agglo_tee/${index}` };
}
