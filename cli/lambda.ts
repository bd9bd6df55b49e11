/** `binge lambda`: a file's pipelines as a function for AWS Lambda. */
import { writeFileSync } from "node:fs";
import { bundle, zip } from "../lambda/bundle.ts";
import { readArguments, requiredString } from "./arguments.ts";
import { type Configuration, requireConfiguration } from "./configuration.ts";
import { Ending, Exit } from "./exit.ts";

export const LAMBDA_HELP = `binge lambda --config FILE --out ZIP
  Writes the pipelines of FILE as a function for AWS Lambda: runtime nodejs24.x, handler index.handler. It takes requests of
  API Gateway and function URLs, batches of SQS, Kinesis and DynamoDB streams (whose mapping needs
  ReportBatchItemFailures), and an event by itself. Secrets are resolved when a container starts.`;

const OPTIONS = { config: { type: "string" }, out: { type: "string" } } as const;

export async function lambda(args: readonly string[]): Promise<number> {
  const parsed = readArguments("lambda", args, OPTIONS, false);
  const file = requiredString("lambda", parsed, "config");
  const out = requiredString("lambda", parsed, "out");
  const configuration = requireConfiguration(file, (text) => process.stderr.write(text));
  for (const line of warnings(configuration)) process.stderr.write(`${file}: warning: ${line}\n`);
  const script = await bundle(configuration.plan, configuration.systems);
  const archive = zip(script);
  write(out, archive);
  process.stdout.write(`${out}: index.mjs, ${kilobytes(script.length)}, ${kilobytes(archive.length)} zipped\n`);
  process.stdout.write("runtime nodejs24.x, handler index.handler\n");
  return Exit.ok;
}

/** What Lambda does otherwise than a server: it freezes a container after each answer, and has many of them. */
function warnings({ plan, systems }: Configuration): string[] {
  const spawners = plan.steps.filter((step) => step.process === "spawner" && step.waits === "never");
  const stores = systems.filter(({ connectionString }) => /^(?:mem:|local$)/.test(connectionString));
  return [
    ...spawners.map(
      ({ name }) => `"${name}" does not wait for its command, which freezes with the container: set doSync`,
    ),
    ...stores.map(({ name }) => `"${name}" is in the memory of one container, and gone when that ends`),
  ];
}

function write(out: string, archive: Uint8Array): void {
  try {
    writeFileSync(out, archive);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error; // a bug of ours, no answer of the file system
    throw new Ending(Exit.usage, `binge lambda: cannot write ${out} (${code})`);
  }
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KB`;
}
