/**
 * The log of a function: a JSON object a line on standard output, with the names of Lambda's own JSON log format
 * (docs.aws.amazon.com, "Configuring JSON and plain text log formats").
 */
import type { Log } from "../engine/runtime/standing.ts";

/** `fields` stand in every line. */
export function newLog(fields: { [name: string]: string | number }): Log {
  return (level, message) => writeLine(level, message, fields);
}

/** What one invocation came to, in numbers that a metric filter can count. */
export function logNumbers(requestId: string, numbers: { [name: string]: number }): void {
  writeLine("info", "invocation", { requestId, ...numbers });
}

function writeLine(level: string, message: string, fields: object): void {
  const line = { timestamp: new Date().toISOString(), level: level.toUpperCase(), message, ...fields };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
