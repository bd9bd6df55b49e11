/**
 * A file as a function for Lambda's Node runtime (nodejs24.x, handler `index.handler`): one script with the compiled file
 * and what it needs in it, in a zip. The same file and version give the same bytes.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { zipSync } from "fflate";
import type { SystemConfig } from "../engine/config/external-systems.ts";
import type { Plan } from "../engine/core/plan.ts";
import { findSystem } from "../engine/systems/registry.ts";

const here = dirname(fileURLToPath(import.meta.url));
/** `.ts` in the checkout, `.js` in the package. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** The script's text. Rejects only for a bug of ours: whatever the file says, its plan is data. */
export async function bundle(plan: Plan, systems: readonly SystemConfig[]): Promise<string> {
  const result = await build({
    stdin: { contents: entry({ ...plan, routes: undefined }, systems), resolveDir: here, loader: "js" },
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "esm",
    minify: true,
    legalComments: "none",
    charset: "utf8",
    mainFields: ["module", "main"],
    // Libraries in CommonJS ask for Node's modules by `require`.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    plugins: [onlyLibrariesOf(schemesOf(systems)), filesInside],
    logLevel: "silent",
  });
  return result.outputFiles[0]?.text ?? "";
}

// What is wrong at start must fail the start: Lambda reports what a module throws while it is loaded.
function entry(plan: Plan, systems: readonly SystemConfig[]): string {
  const file = JSON.stringify(JSON.stringify({ plan, systems }));
  return [
    `import { newHandler } from ${JSON.stringify(`./handler${EXTENSION}`)};`,
    `const { plan, systems } = JSON.parse(${file});`,
    "export const handler = await newHandler(plan, systems);",
  ].join("\n");
}

function schemesOf(systems: readonly SystemConfig[]): string[] {
  return systems.flatMap(({ type, connectionString }) => {
    const found = findSystem(type, connectionString);
    return "error" in found ? [] : [found.scheme];
  });
}

/** A client library is imported by its one system, when that is opened: those of other systems stay outside. */
function onlyLibrariesOf(schemes: readonly string[]): Plugin {
  return {
    name: "only-libraries-of",
    setup(setup) {
      setup.onResolve({ filter: /^[^.]/ }, ({ kind, importer, path }) => {
        if (kind !== "dynamic-import" || dirname(importer) !== join(here, "../engine/systems")) return undefined;
        return schemes.includes(basename(importer, extname(importer))) ? undefined : { path, external: true };
      });
    },
  };
}

const READ_BESIDE = /readFileSync\(new URL\((['"])([^'"]+)\1, import\.meta\.url\)\)/g;

/** What a library reads from beside itself when it is loaded (Kafka's client: WebAssembly) would not be there. */
const filesInside: Plugin = {
  name: "files-inside",
  setup(setup) {
    setup.onLoad({ filter: /[\\/]node_modules[\\/].*\.m?js$/ }, async ({ path }) => {
      const contents = await readFile(path, "utf8");
      const inside = contents.replace(READ_BESIDE, (_read, _quote, name: string) => {
        const bytes = readFileSync(join(dirname(path), name));
        return `Buffer.from("${bytes.toString("base64")}", "base64")`;
      });
      return inside === contents ? undefined : { contents: inside, loader: "js" };
    });
  },
};

/** The archive that Lambda takes. */
export function zip(script: string): Uint8Array {
  const mtime = new Date(1980, 0, 1); // the first that a zip can name
  const attrs = 0o644 << 16; // whoever Lambda runs it as may read it
  return zipSync({ "index.mjs": [Buffer.from(script), { mtime, os: 3, attrs, level: 9 }] });
}
