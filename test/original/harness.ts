/** Loads our files in the original's grammar and runs events through them as `binge run` does, with real folders and servers. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Loaded } from "../../engine/config/load.ts";
import { newEvent } from "../../engine/core/event/event.ts";
import { type JsonObject, setOwn } from "../../engine/core/event/json.ts";
import { parseText } from "../../engine/core/event/parse.ts";
import { writeValue } from "../../engine/core/event/write.ts";
import { Outcome } from "../../engine/core/outcome.ts";
import { withSide } from "../../engine/core/processes/reserved.ts";
import { type PipelineResult, runAll } from "../../engine/core/run-all.ts";
import { loadText } from "../../engine/runtime/configuration.ts";
import { type Runtime, startRuntime } from "../../engine/runtime/runtime.ts";

/** What stands in the file's text, and what to put there. */
export type Replacements = { readonly [written: string]: string };

export function readOriginal(name: string, replacements: Replacements = {}): string {
  let text = readFileSync(join(import.meta.dirname, `${name}.json`), "utf8");
  for (const [written, meant] of Object.entries(replacements)) {
    if (!text.includes(written)) throw new Error(`${name}.json has no ${written}`);
    text = text.replaceAll(written, meant);
  }
  return text;
}

export function load(text: string, lenient = false): Loaded {
  return loadText(text, "c.json", { lenient });
}

/** A runtime until the test ends, with tees that are waited for, as the original's are. */
export async function start(text: string, lenient = false): Promise<Runtime> {
  const { plan, systems, diagnostics } = load(text, lenient);
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics));
  const runtime = await startRuntime(plan, systems, { log: () => {}, allowSpawn: true, tees: "direct" });
  onTestFinished(() => runtime.close(1000));
  return runtime;
}

/** Everything of all pipelines; `messageId` is what a daemon gives. */
export async function runEvent(runtime: Runtime, event: object, messageId?: string): Promise<PipelineResult[]> {
  const text = JSON.stringify(event);
  const value = parseText(text, 0, text.length, 64).value as JsonObject; // of an object
  const parsed = newEvent(value, text, 0, text.length);
  if (messageId !== undefined) setOwn(parsed.side, "internal:messageID", messageId);
  return await runAll(runtime.pipelines, parsed, runtime.ports, 0);
}

/** The final event of a file with one pipeline. */
export async function finalEvent(runtime: Runtime, event: object, messageId?: string): Promise<Json> {
  const [result] = await runEvent(runtime, event, messageId);
  if (result === undefined || result.outcome !== Outcome.next) throw new Error(`failed: ${result?.faultDetail}`);
  return finalOf(result);
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came out
export type Json = { [key: string]: any };

export function finalOf({ event }: PipelineResult): Json {
  return JSON.parse(writeValue(event, withSide(event.value, event.side, Object.keys(event.side)))) as Json;
}

/** Folders of these names in a place of their own, until the test ends. */
export function folders(...names: string[]): string {
  const root = mkdtempSync(join(tmpdir(), "agglo-original-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const name of names) mkdirSync(join(root, name));
  return root;
}

/** What a tee wrote into a folder, by file name. */
export function filesIn(...path: string[]): { [name: string]: Json } {
  const folder = join(...path);
  const files: { [name: string]: Json } = {};
  for (const name of readdirSync(folder)) files[name] = JSON.parse(readFileSync(join(folder, name), "utf8")) as Json;
  return files;
}

export type Echo = { url: string; received: { contentType: string | undefined; body: Json }[] };

/** A server that answers each request with its body, as the original's test server does. */
export async function echo(path: string): Promise<Echo> {
  const received: Echo["received"] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    received.push({ contentType: request.headers["content-type"], body: JSON.parse(body) as Json });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, received };
}
