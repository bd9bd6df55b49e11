/** Every lint rule catches what it is there for, and lets through what it should. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { innocent, planted } from "./planted.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const biome = join(root, "node_modules/.bin/biome");

interface Finding {
  readonly category: string;
  readonly severity: string;
  readonly message: string;
  readonly location: { readonly path: string };
}

let folder = "";
let findings: readonly Finding[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-lint-"));
  await cp(join(root, "biome.json"), join(folder, "biome.json"));
  await cp(join(root, "tools/lint"), join(folder, "tools/lint"), { recursive: true });
  for (const { file, source } of planted) await plant(file, source);
  for (const [file, source] of Object.entries(innocent)) await plant(file, source);
  findings = await lint();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function plant(file: string, source: string): Promise<void> {
  await mkdir(join(folder, dirname(file)), { recursive: true });
  await writeFile(join(folder, file), `${source}\n`);
}

function lint(): Promise<readonly Finding[]> {
  const args = ["lint", "--reporter=json", "--max-diagnostics=none", "."];
  return new Promise((resolve, reject) => {
    execFile(biome, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (_error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout).diagnostics as Finding[]); // exit code 1 is the point: there are findings
      } catch {
        reject(new Error(`biome did not answer in JSON: ${stderr.slice(0, 2000)}`));
      }
    });
  });
}

function errorsIn(file: string): Finding[] {
  return findings.filter((finding) => finding.severity === "error" && finding.location.path === file);
}

test.each(planted)("$caughtBy catches $file $saying", ({ file, caughtBy, saying }) => {
  const caught = errorsIn(file).filter((finding) => finding.category === caughtBy);
  expect(caught.map((finding) => finding.message).join("\n")).toContain(saying ?? "");
  expect(caught, JSON.stringify(errorsIn(file))).not.toEqual([]);
});

test.each(Object.keys(innocent))("nothing is wrong with %s", (file) => {
  expect(errorsIn(file)).toEqual([]);
});
