#!/usr/bin/env node
/** The `binge` command: one file per verb. */
import { CHECK_HELP, check } from "./check.ts";
import { ECHO_SERVER_HELP, echoServer } from "./echo-server.ts";
import { ENVOY_HELP, envoy } from "./envoy.ts";
import { Ending, Exit } from "./exit.ts";
import { EXPLAIN_HELP, explain } from "./explain.ts";
import { EXTPROC_HELP, extproc } from "./extproc.ts";
import { GENEVENTS_HELP, genevents } from "./genevents.ts";
import { LAMBDA_HELP, lambda } from "./lambda.ts";
import { LINT_HELP, lint } from "./lint.ts";
import { LIST_HELP, list } from "./list.ts";
import { NGINX_HELP, nginx } from "./nginx.ts";
import { isOriginal, translate } from "./original-flags.ts";
import { QUEUE_HELP, queue } from "./queue.ts";
import { RUN_HELP, run } from "./run.ts";
import { SCHEMA_HELP, schema } from "./schema.ts";
import { SERVE_HELP, serve } from "./serve.ts";
import { TEST_HELP, test } from "./test.ts";
import { version } from "./version.ts";

type Verb = { run: (args: readonly string[]) => Promise<number>; help: string };
const VERBS: { readonly [name: string]: Verb } = {
  extproc: { run: extproc, help: EXTPROC_HELP },
  envoy: { run: envoy, help: ENVOY_HELP },
  nginx: { run: nginx, help: NGINX_HELP },
  lambda: { run: lambda, help: LAMBDA_HELP },
  serve: { run: serve, help: SERVE_HELP },
  run: { run, help: RUN_HELP },
  test: { run: test, help: TEST_HELP },
  explain: { run: explain, help: EXPLAIN_HELP },
  lint: { run: lint, help: LINT_HELP },
  check: { run: check, help: CHECK_HELP },
  list: { run: list, help: LIST_HELP },
  schema: { run: schema, help: SCHEMA_HELP },
  queue: { run: queue, help: QUEUE_HELP },
  "echo-server": { run: echoServer, help: ECHO_SERVER_HELP },
  genevents: { run: genevents, help: GENEVENTS_HELP },
};

const HELPS = Object.values(VERBS).map(({ help }) => help);

const HELP = `binge: small event pipelines where the traffic already is

${HELPS.join("\n\n")}

binge -config FILE -runType …: the flags of the original, for its ways to run; says what they are now
binge --help, binge VERB --help, binge --version

Exit codes: 0 ok, 1 findings, 2 usage, 65 the input is not what it should be, 66 it is not there, 69 a needed program or
system is missing, 70 our own bug, 73 an output cannot be created, 74 or written, 78 bad configuration.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version") return print(`binge ${version()}\n`);
  if (name === "--help" || name === "help") return print(HELP);
  if (isOriginal(name)) return runOriginal(args);
  const verb = name === undefined || !Object.hasOwn(VERBS, name) ? undefined : VERBS[name];
  if (verb !== undefined) return rest.includes("--help") ? print(`${verb.help}\n`) : verb.run(rest);
  const verbs = Object.keys(VERBS).join(", ");
  const found = name === undefined ? "no verb is given" : `there is no verb "${name}"`;
  throw new Ending(Exit.usage, `binge: ${found}; the verbs are ${verbs}; see binge --help`);
}

/** The original's flags: what they are now is said, and done. */
function runOriginal(args: readonly string[]): Promise<number> {
  const { verb, args: ours, warnings } = translate(args);
  for (const warning of warnings) process.stderr.write(`binge: ${warning}\n`);
  process.stderr.write(`binge: this is now: binge ${[verb, ...ours].join(" ")}\n`);
  return (VERBS[verb] as Verb).run(ours);
}

function print(text: string): number {
  process.stdout.write(text);
  return Exit.ok;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return; // who pipes into `head` has read enough
  process.stderr.write(`standard output: cannot write: ${error.code}\n`);
  process.exitCode = Exit.io;
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode ??= code;
  },
  (error: unknown) => {
    if (error instanceof Ending) {
      if (error.message !== "") process.stderr.write(`${error.message}\n`);
      process.exitCode = error.code;
      return;
    }
    process.stderr.write(`binge: a bug of ours: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = Exit.bug;
  },
);
