/** A folder for the files of a suite, and servers in it that end with each of its tests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach } from "vitest";
import { startBinge } from "../testing.ts";

export type Started = ReturnType<typeof startBinge>;

/** To be called where a test file's hooks may be. */
export function servers(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `agglo-${name}-`));
  const started: Started[] = [];
  afterEach(async () => {
    for (const { child, ended } of started.splice(0)) {
      child.kill("SIGKILL");
      await ended;
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    /** Writes a file; its path. */
    file(file: string, text: string): string {
      writeFileSync(join(folder, file), text);
      return join(folder, file);
    },
    startServer(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
      const server = startBinge(args, folder, env);
      started.push(server);
      return server;
    },
  };
}
