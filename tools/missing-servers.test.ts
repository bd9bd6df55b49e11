/** Where the servers of tests cannot be had, suites are skipped and say why, but not in CI: there it is a failure. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

/** A checkout in which nothing was fetched yet. */
let checkout: string;
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), "agglo-checkout-"));
  await cp(import.meta.dirname, join(checkout, "tools"), { recursive: true });
  await symlink(join(import.meta.dirname, "../node_modules"), join(checkout, "node_modules"));
  await mkdir(join(checkout, "empty"));
});
afterAll(() => rm(checkout, { recursive: true }));

/** What a program says on a machine without Go, Java and Maven. */
async function without(program: string, ci: string): Promise<string> {
  const env = { PATH: join(checkout, "empty"), CI: ci };
  const args = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: checkout, env });
  return stdout;
}

const WHY = `
import { whyNoGoPrograms } from "./tools/go-programs.ts";
import { whyNoJavaProgram } from "./tools/java-programs.ts";
console.log(await whyNoGoPrograms("nats-server"));
console.log(await whyNoJavaProgram("kafka"));
`;

test("a suite says in one line why it is skipped", async () => {
  expect(await without(WHY, "")).toBe(
    "skipped: Go is not on PATH, so nats-server cannot be built\nskipped: Java is not on PATH, so kafka cannot be run\n",
  );
});

test("in CI nothing is skipped, and what is missing fails", async () => {
  expect(await without(WHY, "true")).toBe("undefined\nundefined\n");
  for (const server of ["nats", "kafka"]) {
    const start = server === "nats" ? "startNats" : "startKafka";
    const program = `import { ${start} } from "./tools/servers/${server}.ts"; await ${start}();`;
    await expect(without(program, "true")).rejects.toThrow(/is not on PATH|cannot be run/);
  }
});
