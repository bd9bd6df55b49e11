/** The compiler's strictness and the search for dead exports catch what they are there for; lint-proof.test.ts has the lint rules. */
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** [file, source, what tsc says of it] */
const mistyped: readonly (readonly [string, string, string])[] = [
  ["strict.ts", "export const f = (a) => a;", "TS7006"],
  ["index.ts", "export const f = (list: number[]): number => list[0];", "TS2322"],
  ["optional.ts", "export const a: { b?: number } = { b: undefined };", "TS2375"],
  ["erasable.ts", "export class A { constructor(readonly a: number) {} }", "TS1294"],
  ["verbatim.ts", 'import { B } from "./types.ts";\nexport type C = B;', "TS1484"],
  ["unused.ts", "const a = 1;\nexport {};", "TS6133"],
  ["return.ts", "export function f(a: number) { if (a > 0) return 1; }", "TS7030"],
  ["override.ts", "class A { a() {} }\nexport class B extends A { a() {} }", "TS4114"],
];

let folder = "";

function run(bin: string): string {
  const { stdout } = spawnSync(join(root, "node_modules/.bin", bin), { cwd: folder, encoding: "utf8" });
  return stdout;
}

async function plant(file: string, source: string): Promise<void> {
  await mkdir(join(folder, dirname(file)), { recursive: true });
  await writeFile(join(folder, file), `${source}\n`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-check-"));
  for (const file of ["package.json", "tsconfig.json", "knip.json"]) await cp(join(root, file), join(folder, file));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [file, source] of mistyped) await plant(`types/${file}`, source);
  await plant("types/types.ts", "export interface B { a: number }");
  await plant("cli/binge.ts", 'import { used } from "../engine/core/half.ts";\n\nused();');
  await plant("engine/core/half.ts", "export const used = () => 1;\nexport const deadExport = () => 2;");
  await plant("engine/core/dead-file.ts", "export const a = 1;");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the compiler refuses what its strict options are there for", () => {
  const said = run("tsc");
  for (const [file, , code] of mistyped) expect(said).toMatch(new RegExp(`types/${file}.*${code}`));
});

test("a dead export, a dead file and a dependency nobody imports are found", () => {
  const said = run("knip");
  for (const dead of ["deadExport", "engine/core/dead-file.ts", "re2js"]) expect(said).toContain(dead);
});
