/**
 * `npm start`: an example live. A real Envoy, an upstream that answers with what reached it, our ext_proc server and the
 * server that the example sends to; the exchanges among its cases go through, each is compared with what the case says,
 * then it stays up.
 *
 *   npm start                      examples/orders; PORT overrides 10000
 *   npm start -- mirror-to-s3      another one
 *   npm start -- --once            ends after the samples: 0, or 1 when one came out otherwise
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HttpMessage } from "../cli/http-message.ts";
import { answerWith } from "../cli/on-envoy.ts";
import { MissingProgram } from "./missing-program.ts";
import type { Backend, StartBackend } from "./start/backends.ts";
import { printContents, printHelp, printLive, printSample } from "./start/print.ts";
import { readSamples, runSample } from "./start/samples.ts";
import { type Stack, startStack } from "./start/stack.ts";
import { echo, type Respond } from "./start/upstream.ts";

const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const once = args.includes("--once");
  const example = args.find((arg) => !arg.startsWith("-")) ?? "orders";
  const starting = example === "orders" ? undefined : await backendOf(example);
  const port = Number(process.env.PORT ?? 10_000);
  await requireFree(port);
  const folder = await mkdtemp(join(tmpdir(), `agglo-${example}-`));
  await mkdir(join(folder, "mirrored"));
  process.chdir(folder); // orders mirrors to "mirrored", which is relative, as in the original
  let backend: Backend | undefined;
  let stack: Stack | undefined;
  try {
    backend = await starting?.start();
    const file = await fileFor(example, starting?.written ?? "", backend, folder);
    const upstream: Upstream = { answer: undefined };
    stack = await startStack(file, { port, respond: respondAs(upstream) });
    const wrong = await runSamples(stack, file, upstream);
    if (backend !== undefined) process.stdout.write(printContents(await backend.contents()));
    if (!once) {
      const where =
        backend === undefined ? `the folder ${join(folder, "mirrored")}` : `the server on ${backend.address}`;
      process.stdout.write(printHelp(stack, where));
      stack.onVerdict = (route, direction, verdict) => process.stdout.write(printLive(route, direction, verdict));
      await interrupted();
    }
    return wrong === 0 ? 0 : 1;
  } finally {
    await stack?.stop();
    await backend?.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the upstream answers; undefined: with what it was sent. */
type Upstream = { answer: HttpMessage | undefined };

function respondAs(upstream: Upstream): Respond {
  return (seen, out) => (upstream.answer === undefined ? echo(seen, out) : answerWith(upstream.answer, out));
}

/** How many came out otherwise. */
async function runSamples(stack: Stack, file: string, upstream: Upstream): Promise<number> {
  let wrong = 0;
  for (const sample of readSamples(file)) {
    const result = await runSample(stack, sample, (message) => {
      upstream.answer = message;
    });
    if (result.differences.length > 0) wrong++;
    process.stdout.write(printSample(sample, result));
  }
  upstream.answer = undefined; // what comes now is shown what reached the upstream
  process.stdout.write(wrong === 0 ? "every sample came out as expected\n" : `${wrong} samples came out otherwise\n`);
  return wrong;
}

// Loaded only here: it brings every client library.
async function backendOf(example: string): Promise<StartBackend> {
  const { BACKENDS } = await import("./start/backends.ts");
  const names = Object.keys(BACKENDS).join(", ");
  const found = Object.hasOwn(BACKENDS, example) ? BACKENDS[example] : undefined;
  if (found === undefined) throw new Error(`there is no example "${example}"; there are orders, ${names}`);
  return found;
}

/** The example's file, with the server's real address in place of the one that is written. */
async function fileFor(
  example: string,
  written: string,
  backend: Backend | undefined,
  folder: string,
): Promise<string> {
  const file = join(EXAMPLES, example, `${example}.json`);
  if (backend === undefined) return file;
  const text = await readFile(file, "utf8");
  const copy = join(folder, `${example}.json`);
  await writeFile(copy, text.replaceAll(written, backend.address));
  return copy;
}

/** Envoy would share the port with whoever has it (SO_REUSEPORT), and half of the samples would go elsewhere. */
function requireFree(port: number): Promise<void> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", () => reject(new Error(`port ${port} is in use or not allowed; set PORT to another`)));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve()));
  });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const missing = error instanceof MissingProgram;
    process.stderr.write(
      missing ? `${error.message}\n` : `npm start: ${error instanceof Error ? error.message : error}\n`,
    );
    process.exit(missing ? error.exitCode : 70);
  },
);
