/** The options that every verb that serves has, and what they say. */
import { MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN } from "../engine/runtime/memory-budget.ts";
import { type Arguments, bytes, choice, count, optionalString, requiredString } from "./arguments.ts";
import { Ending, Exit } from "./exit.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "./log.ts";
import { type TlsFiles, tlsFiles } from "./tls.ts";

export const SERVER_OPTIONS = {
  config: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-client-ca": { type: "string" },
  admin: { type: "string" },
  "drain-timeout": { type: "string" },
  "log-format": { type: "string" },
  "log-level": { type: "string" },
  threads: { type: "string" },
  memory: { type: "string" },
  "allow-spawn": { type: "boolean" },
} as const;

export type ServerSettings = {
  file: string;
  tls: TlsFiles | undefined;
  admin: string | undefined;
  drainMs: number;
  logFormat: LogFormat;
  logLevel: LogLevel;
  /** of the pool; undefined: as many as suit the machine */
  threads: number | undefined;
  memoryBytes: number;
  allowSpawn: boolean;
};

const DRAIN_SECONDS = 20;
const DRAIN_SECONDS_MAX = 3600;

export function serverSettings(verb: string, parsed: Arguments): ServerSettings {
  return {
    file: requiredString(verb, parsed, "config"),
    tls: tlsFiles(verb, parsed),
    admin: optionalString(parsed, "admin"),
    drainMs: 1000 * count(verb, parsed, "drain-timeout", DRAIN_SECONDS, DRAIN_SECONDS_MAX),
    logFormat: choice(verb, parsed, "log-format", LOG_FORMATS, "json"),
    logLevel: choice(verb, parsed, "log-level", LOG_LEVELS, "info"),
    threads: threadsOf(verb, optionalString(parsed, "threads")),
    memoryBytes: bytes(verb, parsed, "memory", MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MIN),
    allowSpawn: parsed.values["allow-spawn"] === true,
  };
}

const THREADS_MAX = 64;

function threadsOf(verb: string, text: string | undefined): number | undefined {
  if (text === undefined || (/^\d+$/.test(text) && Number(text) <= THREADS_MAX))
    return text === undefined ? text : Number(text);
  throw new Ending(Exit.usage, `binge ${verb}: --threads is a number from 0 to ${THREADS_MAX}, not "${text}"`);
}
