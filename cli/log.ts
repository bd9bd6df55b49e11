/** The log on standard error: a JSON object or a line of text per message. Written before the call returns. */
import { pino } from "pino";
import type { Log } from "../engine/runtime/standing.ts";

export const LOG_FORMATS = ["json", "text"] as const;
export const LOG_LEVELS = ["info", "warn", "error"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDERR = 2;

/** `fields` stand in every object; text has none. */
export function newLog(format: LogFormat, level: LogLevel, fields: { [name: string]: string | number }): Log {
  if (format === "text") return textLog(level);
  const logger = pino(
    {
      level,
      base: { pid: process.pid, ...fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: STDERR, sync: true }),
  );
  return (at, message) => logger[at](message);
}

function textLog(level: LogLevel): Log {
  const from = LOG_LEVELS.indexOf(level);
  return (at, message) => {
    if (LOG_LEVELS.indexOf(at) < from) return;
    process.stderr.write(`${new Date().toISOString()} ${at} ${message}\n`);
  };
}

/** A bug of ours as a line of the log: where it is, and what is wrong unless that quotes what was read. */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return `a bug of ours: ${typeof error} was thrown`;
  // JSON.parse and RegExp put the text into their message, which may be a client's.
  const [, ...frames] = (error.stack ?? "").slice(`${error.name}: ${error.message}`.length).split("\n");
  const message = error instanceof SyntaxError ? "" : `: ${error.message}`;
  return [`a bug of ours: ${error.name}${message}`, ...frames].join("\n");
}
