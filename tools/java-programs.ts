/**
 * Servers written in Java, as folders of jars that Maven fetches once into .tools/, so that its own mirror, proxy and
 * offline settings hold. Maven writes into a folder of this process, which is renamed when whole.
 *
 *   const jars = await javaProgramJars("kafka");   // rejects with MissingProgram: one sentence, exit 69
 */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MissingProgram } from "./missing-program.ts";
import { runProgram } from "./run-program.ts";

/** Maven coordinates, group:artifact:version; the first one names the version. */
const ARTIFACTS = {
  "dynamodb-local": ["com.amazonaws:DynamoDBLocal:2.6.1"],
  // Without a logger behind SLF4J the broker says nothing, not even why it does not start.
  kafka: ["org.apache.kafka:kafka_2.13:4.4.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"],
} as const;

export type JavaProgram = keyof typeof ARTIFACTS;

const TOOLS = fileURLToPath(new URL("../.tools/", import.meta.url));
const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
const FETCH_TIMEOUT_MS = 10 * 60_000;
const VERSION_TIMEOUT_MS = 30_000;

/** Folder of the program's jars, fetched if need be. Rejects with MissingProgram. */
export async function javaProgramJars(name: JavaProgram): Promise<string> {
  const folder = folderOf(name);
  if (!(await answers("java", "-version"))) throw missing(name, "Java is not on PATH: install Java 17 or newer");
  if (await isThere(folder)) return folder;
  if (!(await answers("mvn", "--version"))) throw missing(name, "Maven is not on PATH: install it");
  await mkdir(TOOLS, { recursive: true });
  const scratch = await mkdtemp(join(TOOLS, `.fetching-${name}-`));
  try {
    process.stderr.write(`fetching ${name} ${versionOf(name)} with Maven (once) …\n`);
    await writeFile(join(scratch, "pom.xml"), pomOf(name));
    const args = ["-q", "-B", COPY, "-f", join(scratch, "pom.xml"), "-DoutputDirectory=jars"];
    const { code, output } = await runProgram("mvn", args, process.env, FETCH_TIMEOUT_MS);
    if (code !== 0) {
      const reason =
        output
          .trim()
          .split("\n")
          .find((line) => line.includes("ERROR")) ?? "it said nothing";
      throw missing(name, `Maven could not fetch it (${reason.slice(0, 200)}): make Maven work`);
    }
    await moveInPlace(join(scratch, "jars"), folder);
    return folder;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Why tests of this program cannot run here; undefined: they can, if need be after fetching. In CI a missing Java or Maven
 * is a failure, not a reason.
 */
export async function whyNoJavaProgram(name: JavaProgram): Promise<string | undefined> {
  if (process.env.CI !== undefined && process.env.CI !== "") return undefined;
  if (!(await answers("java", "-version"))) return `skipped: Java is not on PATH, so ${name} cannot be run`;
  if ((await isThere(folderOf(name))) || (await answers("mvn", "--version"))) return undefined;
  return `skipped: Maven is not on PATH, so ${name} cannot be fetched`;
}

function missing(name: JavaProgram, why: string): MissingProgram {
  return new MissingProgram(`${name} ${versionOf(name)} cannot be run: ${why}.`);
}

function versionOf(name: JavaProgram): string {
  return ARTIFACTS[name][0].split(":")[2] ?? "";
}

function folderOf(name: JavaProgram): string {
  return join(TOOLS, `${name}-${versionOf(name)}`);
}

function pomOf(name: JavaProgram): string {
  const dependencies = ARTIFACTS[name].map((coordinates) => {
    const [group, artifact, version] = coordinates.split(":");
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  const own = `<modelVersion>4.0.0</modelVersion><groupId>agglo</groupId><artifactId>${name}</artifactId><version>1</version>`;
  return `<project>${own}<dependencies>${dependencies.join("")}</dependencies></project>`;
}

/** Losing to another process is fine: its copy is as good. */
async function moveInPlace(scratch: string, folder: string): Promise<void> {
  try {
    await rename(scratch, folder);
  } catch (error) {
    if (!(await isThere(folder))) throw error;
  }
}

async function answers(program: string, argument: string): Promise<boolean> {
  return (await runProgram(program, [argument], process.env, VERSION_TIMEOUT_MS)).code === 0;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
