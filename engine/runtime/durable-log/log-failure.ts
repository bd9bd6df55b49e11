/** Why the log did not do what it was asked: values, made here, told apart by their code. */
import { errorCode } from "../../systems/failure.ts";

/**
 * - `full`: no room on the disk, or bytesMax is reached; passes by itself when entries are done or there is room
 * - `busy`: the disk is behind
 * - `failed`: the disk failed; what was being appended may or may not come back after a crash
 * - `tooLarge`: larger than payloadBytesMax
 * - `badId`: an id is 1 to 128 letters, digits, `.`, `_`, `-`
 * - `closed`: the log was closed
 * - `locked`: another process has it open
 */
export type LogFailureCode = "full" | "busy" | "failed" | "tooLarge" | "badId" | "closed" | "locked";

/** As a SystemError: `retryable` says whether the same may work later. */
export type LogFailure = { code: LogFailureCode; message: string; retryable: boolean };

export function logFailure(code: LogFailureCode, message: string): LogFailure {
  return { code, message, retryable: RETRYABLE.has(code) };
}

const RETRYABLE: ReadonlySet<LogFailureCode> = new Set<LogFailureCode>(["full", "busy", "failed", "locked"]);

export function isLogFailure(value: object | undefined): value is LogFailure {
  return value !== undefined && "retryable" in value;
}

/** What a disk rejected with. */
export function failureOf(error: unknown): LogFailure {
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  return logFailure(code === "ENOSPC" || code === "EDQUOT" ? "full" : "failed", message);
}
