/** Files that a configuration names: a schema, say. They are found from the configuration's own place. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Part of the plan, which goes to every worker. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

export function filesBeside(configFile: string): (file: string) => { text: string } | { error: string } {
  return (file) => {
    try {
      const path = resolve(dirname(configFile), file);
      const stats = statSync(path);
      if (!stats.isFile()) return { error: `${file} is no file` };
      if (stats.size > FILE_BYTES_MAX) return { error: `${file} has more than ${FILE_BYTES_MAX} bytes` };
      return { text: readFileSync(path, "utf8") };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
      return { error: code === "ENOENT" ? `there is no file ${file}` : `${file}: ${code}` };
    }
  };
}
