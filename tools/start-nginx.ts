/**
 * `npm run start:nginx`: examples/nginx live. What `binge nginx` writes for it, a real nginx, an upstream that answers with
 * what reached it; the example's own cases go through, then it stays up.
 *
 *   npm run start:nginx              PORT overrides 10000
 *   npm run start:nginx -- --once    ends after the cases: 0, or 1 when one came out otherwise
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MissingProgram } from "./missing-program.ts";
import { nginxPath } from "./programs.ts";
import { startNginx } from "./run-nginx.ts";
import { runProgram } from "./run-program.ts";
import { type Respond, startUpstream } from "./start/upstream.ts";

const EXAMPLE = fileURLToPath(new URL("../examples/nginx/", import.meta.url));
const BINGE = fileURLToPath(new URL("../cli/binge.ts", import.meta.url));

/** A case of `binge test`, as far as it is looked at here. */
type Case = {
  name: string;
  route: string;
  direction?: "response";
  contentType?: string;
  text?: string;
  input?: unknown;
  expect: { verdict: string; status?: number; output?: unknown };
};

const PATHS: { readonly [route: string]: string } = {
  orders: "/orders/1",
  events: "/events",
  documents: "/documents/1",
};

async function main(args: readonly string[]): Promise<number> {
  const port = Number(process.env.PORT ?? 10_000);
  const folder = await mkdtemp(join(tmpdir(), "agglo-nginx-"));
  let respond: Respond = echo;
  const upstream = await startUpstream((seen, response) => respond(seen, response));
  try {
    const program = await nginxPath();
    const written = ["nginx", "--config", join(EXAMPLE, "orders.json"), "--target", "njs-0.9.9", "--out", folder];
    await binge([...written, "--upstream", upstream.address, "--port", String(port)]);
    const nginx = await startNginx(program, folder, port);
    try {
      let wrong = 0;
      for (const one of JSON.parse(await readFile(join(EXAMPLE, "orders.tests.json"), "utf8")) as Case[]) {
        respond = one.direction === "response" ? answering(one) : echo;
        const before = upstream.reached.length;
        const answer = await send(port, one);
        const came = one.direction === "response" ? answer.body : upstream.reached[before]?.body;
        const right = isExpected(one, answer.status, came);
        if (!right) wrong++;
        process.stdout.write(
          `${right ? "ok  " : "FAIL"} ${one.name}\n       ${answer.status}  ${came ?? answer.body}\n`,
        );
      }
      respond = echo;
      if (!args.includes("--once")) {
        process.stdout.write(help(port, folder));
        await interrupted();
      }
      return wrong === 0 ? 0 : 1;
    } finally {
      await nginx.stop();
    }
  } finally {
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function binge(args: string[]): Promise<void> {
  const { code, output } = await runProgram(process.execPath, [BINGE, ...args], process.env);
  process.stdout.write(output);
  if (code !== 0) throw new Error("binge nginx did not write the example");
}

const echo: Respond = (seen, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ reached: seen.body }));
};

function answering(one: Case): Respond {
  return (_seen, response) => {
    response.writeHead(200, { "content-type": one.contentType ?? "application/json" });
    response.end(textOf(one));
  };
}

async function send(port: number, one: Case): Promise<{ status: number; body: string }> {
  const url = `http://127.0.0.1:${port}${PATHS[one.route]}`;
  const headers = { "content-type": one.contentType ?? "application/json" };
  const answer = await fetch(url, one.direction === "response" ? {} : { method: "POST", headers, body: textOf(one) });
  return { status: answer.status, body: await answer.text() };
}

function textOf(one: Case): string {
  return one.text ?? JSON.stringify(one.input);
}

function isExpected({ expect, text }: Case, status: number, came: string | undefined): boolean {
  if (status !== (expect.status ?? 200)) return false;
  if (expect.verdict === "passed") return came === text;
  if (expect.output === undefined) return true;
  return came === (typeof expect.output === "string" ? expect.output : JSON.stringify(expect.output));
}

function help(port: number, folder: string): string {
  return [
    "",
    `nginx listens on ${port}; its configuration is in ${folder}. Try:`,
    `  curl -H 'content-type: application/json' -d '{"items":[{"card":"4111111111111111"}]}' 127.0.0.1:${port}/orders/1`,
    `  curl -i -H 'content-type: application/json' -d '{"items":[]}' 127.0.0.1:${port}/orders/1`,
    `  curl 127.0.0.1:${port}/agglo_status`,
    `  cat ${folder}/mirrored/archive.ndjson`,
    "Ctrl-C ends it.",
    "",
  ].join("\n");
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
    process.stderr.write(`${missing ? "" : "start:nginx: "}${error instanceof Error ? error.message : error}\n`);
    process.exit(missing ? error.exitCode : 70);
  },
);
