/** The log of a function: a JSON object a line on standard output, which Lambda takes to CloudWatch. */
import type { Log } from "../engine/runtime/standing.ts";

/** `fields` stand in every line. */
export function newLog(fields: { [name: string]: string | number }): Log {
  return (level, msg) => writeLine({ level, ...fields, msg });
}

/** What one invocation came to, in numbers that a metric filter can count. */
export function logNumbers(requestId: string, numbers: { [name: string]: number }): void {
  writeLine({ level: "info", requestId, msg: "invocation", ...numbers });
}

function writeLine(fields: object): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`);
}
