/**
 * `npm start`: examples/orders live. A real Envoy, an upstream that answers with what reached it, and our ext_proc
 * server; the exchanges of orders.tests.json go through, each is compared with what the case says, then it stays up.
 *
 *   npm start              PORT overrides 10000
 *   npm start -- --once    ends after the samples: 0, or 1 when one came out otherwise
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HttpMessage } from "../cli/http-message.ts";
import { answerWith } from "../cli/on-envoy.ts";
import { MissingProgram } from "./missing-program.ts";
import { printHelp, printLive, printSample } from "./start/print.ts";
import { readSamples, runSample } from "./start/samples.ts";
import { type Stack, startStack } from "./start/stack.ts";
import { echo, type Respond } from "./start/upstream.ts";

const EXAMPLE = fileURLToPath(new URL("../examples/orders/", import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const once = args.includes("--once");
  const port = Number(process.env.PORT ?? 10_000);
  await requireFree(port);
  const folder = await mkdtemp(join(tmpdir(), "agglo-orders-"));
  await mkdir(join(folder, "mirrored"));
  process.chdir(folder); // the example mirrors to "mirrored", which is relative, as in the original
  let stack: Stack | undefined;
  try {
    const file = join(EXAMPLE, "orders.json");
    let answer: HttpMessage | undefined;
    const respond: Respond = (seen, out) => (answer === undefined ? echo(seen, out) : answerWith(answer, out));
    stack = await startStack(file, { port, respond });
    let wrong = 0;
    for (const sample of readSamples(file)) {
      const result = await runSample(stack, sample, (message) => {
        answer = message;
      });
      if (result.differences.length > 0) wrong++;
      process.stdout.write(printSample(sample, result));
    }
    answer = undefined; // what comes now is shown what reached the upstream
    process.stdout.write(wrong === 0 ? "every sample came out as expected\n" : `${wrong} samples came out otherwise\n`);
    if (!once) {
      process.stdout.write(printHelp(stack, join(folder, "mirrored")));
      stack.onVerdict = (route, direction, verdict) => process.stdout.write(printLive(route, direction, verdict));
      await interrupted();
    }
    return wrong === 0 ? 0 : 1;
  } finally {
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  }
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
