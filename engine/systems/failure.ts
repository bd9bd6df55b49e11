/** What can go wrong in any system, as values: made here, told apart here. */
import type { SystemError } from "../core/ports.ts";

export function failure(code: string, message: string, retryable: boolean): SystemError {
  return { code, message, retryable };
}

/** Refused for good, for its size or for what is in it. */
export function refusedContent(code: string, message: string): SystemError {
  return { code, message, retryable: false, divisible: true };
}

/** What every port answers once its system is closed. */
export const CLOSED: SystemError = failure("closed", "the system is closed", false);

/** Something else is there already; trying the same again changes nothing. */
export const CONFLICT: SystemError = failure("conflict", "something else is there under this key", false);

export function isSystemError(value: object | undefined): value is SystemError {
  return value !== undefined && "retryable" in value;
}

/** No path can be spelled in these, no header broken by them, and none begins with a dot. */
const PLAIN_TOKEN = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

/** Refuses an id that is no plain token: it may come from event data one day, and names files and headers. */
export function refuseId(id: string): SystemError | undefined {
  if (PLAIN_TOKEN.test(id)) return undefined;
  return failure("badId", "an id must be 1 to 128 letters, digits, dots, dashes or underscores", false);
}

/** As plain as a token, with what keeps two names apart in one file name: no path can be spelled with it either. */
const PLAIN_FILE_NAME = /^[A-Za-z0-9_:%-][A-Za-z0-9._:%-]{0,127}$/;

/** As refuseId, for what becomes a file's name and nothing else. */
export function refuseFileName(name: string): SystemError | undefined {
  return PLAIN_FILE_NAME.test(name) ? undefined : refuseId(name);
}

/** S3's limit; the parts become file names elsewhere. */
const OBJECT_KEY_BYTES_MAX = 1024;
const OBJECT_KEY_PART = /^[A-Za-z0-9_:=%+@,!()-][A-Za-z0-9._:=%+@,!()-]{0,254}$/;

/** Refuses an object's key that leads out of its store, or means something else in another one: plain parts between `/`. */
export function refuseObjectKey(key: string): SystemError | undefined {
  if (key.length <= OBJECT_KEY_BYTES_MAX && key.split("/").every((part) => OBJECT_KEY_PART.test(part)))
    return undefined;
  return failure("badId", "a key must be plain parts of 1 to 255 characters between slashes, 1024 in all", false);
}

/** The code of a Node error (`ENOENT`); "" for anything else that was thrown. */
export function errorCode(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return "";
  return typeof thrown.code === "string" ? thrown.code : "";
}
