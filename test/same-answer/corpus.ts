/** The corpus as the tests of this folder read it, and what each of its cases comes to without any host. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { readConfiguration } from "../../cli/configuration.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import { newObject } from "../../engine/core/event/json.ts";
import { treat } from "../../engine/core/routes/section.ts";
import { startRuntime } from "../../engine/runtime/runtime.ts";

/** What came of a message: what went on, or how it was answered. */
export type Came = { body: unknown } | { status: number; rule: string };
export type Answers = { [name: string]: Came };

export const file = fileURLToPath(new URL("corpus.json", import.meta.url));
export const corpus = JSON.parse(readFileSync(file, "utf8")) as {
  pipelines: { name: string }[];
  http: { routes: { name: string; request?: Part; response?: Part }[] };
  tests: TestCase[];
  externalSystems: { connectionString: string }[];
};
type Part = { pipelines: string[]; each?: string };

export const cases = corpus.tests;
process.env.AGGLO_TEST_KEY = "a key";

export const textOf = (one: TestCase) => one.text ?? JSON.stringify(one.input);
export const typeOf = (one: TestCase) => one.contentType ?? "application/json";

/** Equal as JSON is equal: nginx prints what was changed anew. */
export function readBody(text: string): unknown {
  return text.split(/\r?\n/).length > 1 && !isJson(text) ? text.split("\n").map(readLine) : readLine(text);
}

function readLine(line: string): unknown {
  const data = line.replace(/^data: /, "");
  return isJson(data) ? JSON.parse(data) : line;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export function readReply(status: number, body: string): Came {
  const problem = isJson(body) ? (JSON.parse(body) as { rule?: string }) : {};
  return { status, rule: problem.rule ?? "" };
}

export type Reference = {
  answers: Answers;
  /** the texts of what went on */
  texts: { [name: string]: string };
  copies: unknown[];
};

export async function referenceAnswers(): Promise<Reference> {
  const answers: Answers = {};
  const texts: Reference["texts"] = {};
  const copies: unknown[] = [];
  const loaded = readConfiguration(file);
  if (loaded.plan === undefined) throw new Error("the corpus does not load");
  const tees = (_target: unknown, payload: string) => void copies.push(JSON.parse(payload));
  const runtime = await startRuntime(loaded.plan, loaded.systems, { log: () => {}, tees });
  for (const one of cases) {
    const section = runtime.routes.find((route) => route.plan.name === one.route)?.[one.direction ?? "request"];
    if (section === undefined) throw new Error(`${one.name}: no such route`);
    const verdict = await treat(section, textOf(one), newObject(), typeOf(one));
    const { reply } = verdict;
    if (reply === undefined) texts[one.name] = verdict.text ?? textOf(one);
    answers[one.name] =
      reply === undefined
        ? { body: readBody(texts[one.name] as string) }
        : { status: reply.status, rule: reply.body === "" ? reply.rule : "" };
  }
  await runtime.close(1000);
  return { answers, texts, copies };
}

/** The corpus without its cases, and a server where its copies go. */
export async function startCopies(): Promise<{ config: object; copies: unknown[]; stop(): void }> {
  const copies: unknown[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      copies.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { tests: _tests, ...rest } = corpus;
  const externalSystems = rest.externalSystems.map((system) => ({ ...system, connectionString: url }));
  return { config: { ...rest, externalSystems }, copies, stop: () => void server.close() };
}

export const sorted = (copies: readonly unknown[]) => copies.map((copy) => JSON.stringify(copy)).sort();
