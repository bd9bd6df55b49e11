/** What a file system answers, as values. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import type { SystemError } from "../core/ports.ts";
import { errorCode, failure } from "./failure.ts";

/** Full disks are emptied, descriptors come back; folders are mounted again, put in place, given to whom they belong. */
const RETRYABLE = new Set([
  ...["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EAGAIN", "EBUSY", "EIO"],
  ...["ENOENT", "ESTALE", "ENOTDIR", "EROFS", "EACCES", "EPERM"],
]);

export function fileFailure(doing: string, thrown: unknown): SystemError {
  const code = errorCode(thrown);
  return failure(code, `${doing} the file failed (${code === "" ? String(thrown) : code})`, RETRYABLE.has(code));
}

/** Refuses a directory that is not there or cannot be written to. */
export async function refuseDirectory(directory: string): Promise<SystemError | undefined> {
  try {
    if (!(await stat(directory)).isDirectory()) {
      return failure("ENOTDIR", `"${directory}" is a file; name a directory`, false);
    }
    await access(directory, constants.W_OK);
    return undefined;
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === "ENOENT") return failure(code, `there is no directory "${directory}"; mkdir -p makes it`, false);
    return failure(code, `the directory "${directory}" cannot be written to (${code}); chown or chmod it`, false);
  }
}
