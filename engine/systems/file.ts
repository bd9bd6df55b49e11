/**
 * A folder on this machine: one file per event, `<id>.json`, complete or not there. Written under a name of its own
 * first, then renamed, so a reader that watches the folder never opens half an event.
 */
import { constants } from "node:fs";
import { access, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SystemDefinition } from "../core/definition.ts";
import type { LocalFile, SystemError, SystemType } from "../core/ports.ts";
import { CLOSED, errorCode, failure, refuseFileName } from "./failure.ts";
import { type OpenedSystem, type Parsed, type Refusal, refuse } from "./system.ts";

export const file: SystemDefinition = {
  key: "file",
  summary: "Writes each event as a file of its own into a folder that is there already.",
  types: ["ExternalLocalFile"],
  grammar: "DIRECTORY or file:DIRECTORY",
};

export type FileSettings = Parsed & { directory: string };

export function parseFile(_type: SystemType, connectionString: string): FileSettings | Refusal {
  const scheme = /^[a-z][a-z0-9+.-]*:/.exec(connectionString)?.[0];
  if (scheme !== undefined && scheme !== "file:") {
    return refuse(
      `ExternalLocalFile knows no "${scheme}"`,
      `write a directory; one that is called so is "./${scheme}…"`,
    );
  }
  // file:///tmp is what a browser writes for /tmp.
  const directory = scheme === undefined ? connectionString : connectionString.slice(5).replace(/^\/\/(?=\/)/, "");
  if (directory === "" || directory.includes("\0")) {
    return refuse("the connection string names no directory", "write a directory, as in /var/mirror");
  }
  if (scheme !== undefined && directory.endsWith(".ndjson")) {
    return {
      code: "E_NOT_YET",
      error: "appending to one file is not there yet",
      remedy: "write a directory: each event becomes a file",
    };
  }
  return { outputType: "localfile", connectionString: directory, directory };
}

export async function openFile(settings: FileSettings): Promise<OpenedSystem | SystemError> {
  const missing = await refuseDirectory(settings.directory);
  if (missing !== undefined) return missing;
  const state = { closed: false, written: 0 };
  return {
    port: { type: "ExternalLocalFile", file: newLocalFile(settings.directory, state) },
    async close() {
      state.closed = true;
    },
  };
}

async function refuseDirectory(directory: string): Promise<SystemError | undefined> {
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

type State = { closed: boolean /** tells the temporary names of one process apart */; written: number };

function newLocalFile(directory: string, state: State): LocalFile {
  return {
    async write(id, content) {
      if (state.closed) return CLOSED;
      const refused = refuseFileName(id);
      if (refused !== undefined) return refused;
      state.written++;
      // No id begins with a dot, so no event can be called like this.
      const temporary = join(directory, `.${id}.${process.pid}.${state.written}.tmp`);
      return writeAndRename(temporary, join(directory, `${id}.json`), content);
    },
    async read(id) {
      if (state.closed) return CLOSED;
      return refuseFileName(id) ?? readOrMissing(join(directory, `${id}.json`));
    },
    async remove(id) {
      if (state.closed) return CLOSED;
      return refuseFileName(id) ?? removeIfThere(join(directory, `${id}.json`));
    },
  };
}

async function readOrMissing(path: string): Promise<Uint8Array | undefined | SystemError> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (thrown) {
    return errorCode(thrown) === "ENOENT" ? undefined : fileFailure("reading", thrown);
  }
}

async function removeIfThere(path: string): Promise<SystemError | undefined> {
  try {
    await unlink(path);
    return undefined;
  } catch (thrown) {
    return errorCode(thrown) === "ENOENT" ? undefined : fileFailure("removing", thrown);
  }
}

async function writeAndRename(temporary: string, final: string, content: Uint8Array): Promise<SystemError | undefined> {
  try {
    // wx: whoever may write to the folder cannot have it follow a link planted under that name.
    await writeFile(temporary, content, { flag: "wx", mode: 0o644 });
    await rename(temporary, final);
    return undefined;
  } catch (thrown) {
    // Whatever stands there is of no use; if it cannot be removed either, the folder is what is broken.
    await unlink(temporary).catch(() => undefined);
    return fileFailure("writing", thrown);
  }
}

/** Full disks are emptied, descriptors come back, folders are mounted again. */
const RETRYABLE = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EAGAIN", "EBUSY", "EIO", "ENOENT", "ESTALE"]);

function fileFailure(doing: string, thrown: unknown): SystemError {
  const code = errorCode(thrown);
  return failure(code, `${doing} the file failed (${code === "" ? String(thrown) : code})`, RETRYABLE.has(code));
}
