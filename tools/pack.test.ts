/** What is published works: built, packed, installed in an empty folder, run from there. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, expect, test } from "vitest";
import { envoyPath } from "./programs.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const INSTALL_TIMEOUT_MS = 110_000; // build, pack and an install that may have to ask the registry

let folder = "";
let installed = "";

/** This Node first, as npm's scripts have it; and nothing of the `npm test` around us, which an npm below would obey. */
function environment(): NodeJS.ProcessEnv {
  const outer = /^(npm_(package|lifecycle|config_local_prefix|command|execpath|node_execpath)|INIT_CWD)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)));
  return { ...env, PATH: `${dirname(process.execPath)}${delimiter}${env.PATH ?? ""}` };
}

async function binge(args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await run(join(folder, "app/node_modules/.bin/binge"), args, { cwd, env: environment() });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-pack-"));
  const env = environment();
  await run("npm", ["run", "-s", "build"], { cwd: root, env });
  await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: join(root, "dist"), env });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "no tarball";
  const app = join(folder, "app");
  await mkdir(app);
  await writeFile(join(app, "package.json"), "{}\n"); // else npm looks for a project further up
  const options = ["--no-audit", "--no-fund", "--prefer-offline"];
  await run("npm", ["install", ...options, join(folder, tarball)], { cwd: app, env });
  installed = join(app, "node_modules/agglo");
}, INSTALL_TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the installed command knows its version", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  expect(await binge(["--version"], folder)).toContain(version);
});

test("the installed command lints the example it came with", async () => {
  await binge(["lint", "examples/orders/orders.json"], installed); // rejects unless the exit code is 0
});

test("the installed command writes for nginx", async () => {
  const args = [
    "nginx",
    "--config",
    "examples/nginx/orders.json",
    "--target",
    "njs-0.7.9",
    "--out",
    join(folder, "out"),
  ];
  await binge(args, installed); // rejects unless the exit code is 0
  expect(await readFile(join(folder, "out/agglo/agglo.js"), "utf8")).toMatch(/^var [\s\S]*export default \w+;\s*$/);
});

test("the installed command writes for Lambda", async () => {
  const out = join(folder, "function.zip");
  await binge(["lambda", "--config", "examples/lambda/order-changes.json", "--out", out], installed);
  const script = unzipSync(await readFile(out))["index.mjs"];
  expect(Buffer.from(script ?? "").toString()).toMatch(/export\{\w+ as handler\};?\s*$/);
});

test("the installed command sends an example's exchanges through a real Envoy", async () => {
  const command = join(folder, "app/node_modules/.bin/binge");
  const env = { ...environment(), ENVOY: await envoyPath() };
  const { stdout } = await run(command, ["test", "--on", "envoy", "examples/orders/orders.json"], {
    cwd: installed,
    env,
  });
  expect(stdout).toContain("0 failed");
}, 60_000);

test("the installed package finds its threads' program", async () => {
  const program = `
    import { readFileSync } from "node:fs";
    import { loadConfig } from "./engine/config/load.js";
    import { openPool } from "./engine/runtime/pool.js";
    import { re2Regexps } from "./engine/runtime/regexps.js";
    import { startRuntime } from "./engine/runtime/runtime.js";
    import { findSystem } from "./engine/systems/registry.js";
    const load = { file: "orders.json", regexps: re2Regexps(), systemForm: findSystem };
    const { plan } = loadConfig(readFileSync("examples/orders/orders.json", "utf8"), load);
    const pool = openPool({ nsPerByte: 1e9, onCrash: console.error });
    const runtime = await startRuntime(plan, [], { log: console.error, pool });
    await pool.warm();
    const section = runtime.routes[0].request;
    const verdict = await runtime.treat(section, Buffer.from('{"items":[]}'), undefined, "application/json");
    console.log(verdict.kind, runtime.counters.snapshot().map(({ name }) => name).includes("poolMessages"));
    await runtime.close(0);
    await pool.close();`;
  const args = ["--input-type=module", "--eval", program];
  const { stdout } = await run(process.execPath, args, { cwd: installed, env: environment() });
  expect(stdout).toBe("refused true\n");
});

test("no test and no TypeScript source is shipped, only declarations", async () => {
  const files = await readdir(installed, { recursive: true });
  const ours = files.filter((file) => !file.startsWith("node_modules"));
  expect(ours.filter((file) => /(\.test\.|(?<!\.d)\.ts$)/.test(file))).toEqual([]);
});
