/**
 * Writes dist/, the folder `npm pack` is run in: JavaScript with declarations and a package.json of its own. Nothing
 * between an edit and a run needs it; it exists because Node refuses to run `.ts` under node_modules.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const COMMAND = "cli/binge";

rmSync(dist, { recursive: true, force: true });
compile();
copy();
writeManifest();

function compile(): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--project", join(root, "tsconfig.build.json")];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(1);

  const command = join(dist, `${COMMAND}.js`);
  if (!readFileSync(command, "utf8").startsWith("#!/usr/bin/env node\n")) {
    console.error(`${COMMAND}.ts must begin with "#!/usr/bin/env node": the installed command is this file`);
    process.exit(1);
  }
  chmodSync(command, 0o755);
}

function copy(): void {
  for (const name of ["protos", "examples", "tools/requirements", "README.md", "LICENSE"]) {
    cpSync(join(root, name), join(dist, name), { recursive: true, filter: (source) => !source.endsWith(".ts") });
  }
}

function writeManifest(): void {
  const { name, version, description, license, author, engines, dependencies } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  const door = existsSync(join(dist, "engine/index.js"))
    ? { ".": { types: "./engine/index.d.ts", default: "./engine/index.js" } }
    : {};
  const manifest = {
    ...{ name, version, description, license, author, type: "module", engines },
    bin: { binge: `${COMMAND}.js` },
    exports: { ...door, "./package.json": "./package.json" },
    dependencies,
  };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}
