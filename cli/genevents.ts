/** `binge genevents`: made-up events by a schema, to standard output, a file or a URL. */

import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { readDocument } from "../engine/config/document.ts";
import { printDiagnostics } from "../engine/config/print.ts";
import { stringify } from "../engine/core/event/write.ts";
import { errorCode } from "../engine/systems/failure.ts";
import { count, optionalString, readArguments, requiredString, wholeNumber } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";
import { type Counts, deliver } from "./generator/deliver.ts";
import { newGenerator } from "./generator/generate.ts";
import { readSchemas } from "./generator/read-schemas.ts";
import type { Schemas } from "./generator/schema.ts";
import { toStream, toUrl } from "./generator/target.ts";
import { newProgress } from "./progress.ts";
import { stopOnSignal } from "./stop.ts";

export const GENEVENTS_HELP = `binge genevents --schema FILE [--count N] [--seed N] [--output FILE|URL] [--summary FILE]
  Makes up events (docs/reference/genevents.md) and writes them as NDJSON, or POSTs each to an http or https URL.
  --count N        how many (100)
  --seed N         0 to 4294967295: the same schema and seed give the same bytes; without it a new one, which is said
  --output         a file, which is truncated, or a URL; without it standard output
  --rate N         so many a second, each at its time whether earlier ones are answered or not
  --concurrency N  to a URL: how many may wait for their answers at once (1, with --rate 1000); with --rate an event
                   that found no room is counted as late
  --summary FILE   what is said at the end on stderr, as JSON: seed, sent, accepted, refused by status, failed, late
  Exit 1 when some were refused or failed, 69 when nobody answered at all, 78 when the schema is wrong.`;

const OPTIONS = {
  schema: { type: "string" },
  count: { type: "string" },
  seed: { type: "string" },
  output: { type: "string" },
  rate: { type: "string" },
  concurrency: { type: "string" },
  summary: { type: "string" },
} as const;

const COUNT_MAX = 1e12;
const SEED_MAX = 2 ** 32 - 1;
const RATE_MAX = 1_000_000;
const CONCURRENCY_MAX = 10_000;
const OPEN_CONCURRENCY = 1000;

export async function genevents(args: readonly string[]): Promise<number> {
  const parsed = readArguments("genevents", args, OPTIONS, false);
  const events = count("genevents", parsed, "count", 100, COUNT_MAX);
  const seed = wholeNumber("genevents", parsed, "seed", 0, SEED_MAX) ?? randomInt(SEED_MAX + 1);
  const ratePerSecond = wholeNumber("genevents", parsed, "rate", 1, RATE_MAX);
  const output = optionalString(parsed, "output");
  const isUrl = output !== undefined && /^https?:\/\//i.test(output);
  if (!isUrl && parsed.values.concurrency !== undefined) {
    throw new Ending(Exit.usage, "binge genevents: --concurrency goes with a URL as --output");
  }
  const fallback = isUrl && ratePerSecond !== undefined ? OPEN_CONCURRENCY : 1;
  const concurrency = count("genevents", parsed, "concurrency", fallback, CONCURRENCY_MAX);
  const next = newGenerator(schemasIn(requiredString("genevents", parsed, "schema")), seed);
  const target = isUrl ? toUrl(output, concurrency) : toStream(output);
  const progress = newProgress(events, output !== undefined || !process.stdout.isTTY);
  const stop = stopOnSignal();
  const startedMs = performance.now();
  const counts = await deliver(() => stringify(next()), target, {
    count: events,
    concurrency,
    ratePerSecond,
    signal: stop.signal,
    onSettled: () => progress.advance(1),
  });
  await target.close();
  progress.end();
  summarize({ seed, ...counts, seconds: (performance.now() - startedMs) / 1000 }, optionalString(parsed, "summary"));
  return stop.signal.aborted ? stop.exitCode() : exitCode(counts);
}

function schemasIn(file: string): Schemas {
  const document = readDocument(readSchemaFile(file), file);
  const { schemas, report } = readSchemas(document);
  if (schemas === undefined) throw new Ending(Exit.config, printDiagnostics(report.diagnostics, document));
  return schemas;
}

function readSchemaFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = errorCode(error);
    throw new Ending(
      Exit.noInput,
      `${file}: ${code === "ENOENT" ? "there is no such file" : `cannot read it: ${code}`}`,
    );
  }
}

type Summary = Counts & { seed: number; seconds: number };

function summarize(summary: Summary, file: string | undefined): void {
  const { seed, sent, accepted, refused, failed, late, seconds } = summary;
  const rate = Math.round(sent / seconds);
  const parts = [`${sent} sent`, `${accepted} accepted`, counted(refused, "refused"), counted(failed, "failed")];
  if (late > 0) parts.push(`${late} late`);
  process.stderr.write(`seed ${seed}: ${parts.join(", ")}; ${seconds.toFixed(1)} s, ${rate}/s\n`);
  if (file !== undefined) writeSummary(summary, file);
}

function writeSummary(summary: Summary, file: string): void {
  try {
    writeFileSync(file, `${JSON.stringify(summary, null, 2)}\n`);
  } catch (error) {
    throw new Ending(Exit.cannotCreate, `${file}: cannot write the summary: ${errorCode(error)}`);
  }
}

/** `2 refused (503: 2)` */
function counted(counts: { [name: string]: number }, word: string): string {
  const each = Object.entries(counts).map(([name, number]) => `${name}: ${number}`);
  return `${total(counts)} ${word}${each.length === 0 ? "" : ` (${each.join(", ")})`}`;
}

function exitCode({ sent, accepted, failed }: Counts): number {
  if (sent > 0 && total(failed) === sent) return Exit.unavailable;
  return accepted === sent ? Exit.ok : Exit.findings;
}

function total(counts: { [name: string]: number }): number {
  return Object.values(counts).reduce((sum, number) => sum + number, 0);
}
