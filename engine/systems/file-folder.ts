/**
 * A folder of files, each complete or not there: written under a name of its own first, then renamed or linked, so a
 * reader that watches the folder never opens half of one.
 */
import { link, mkdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LocalFile, ObjectStore, SystemError } from "../core/ports.ts";
import { CONFLICT, errorCode, refuseFileName, refuseObjectKey } from "./failure.ts";
import { fileFailure } from "./file-failure.ts";

/** Tells the temporary names of one process apart. */
let written = 0;

/** One file per event, `<id>.json`, written anew each time. */
export function newEventFiles(directory: string): LocalFile {
  const pathOf = (id: string): string => join(directory, `${id}.json`);
  return {
    async write(id, content) {
      return refuseFileName(id) ?? writeThen(replace, pathOf(id), content);
    },
    async read(id) {
      return refuseFileName(id) ?? readOrMissing(pathOf(id));
    },
    async remove(id) {
      return refuseFileName(id) ?? removeIfThere(pathOf(id));
    },
  };
}

/** One file per object, in folders as its key says; what it is shows in its name only. */
export function newObjectFiles(directory: string): ObjectStore {
  return {
    async put(key, value) {
      const refused = refuseObjectKey(key);
      if (refused !== undefined) return refused;
      const path = join(directory, key);
      const failed = await makeFolders(dirname(path));
      return failed ?? (await writeThen(linkOrSame(value), path, value));
    },
  };
}

async function makeFolders(directory: string): Promise<SystemError | undefined> {
  try {
    await mkdir(directory, { recursive: true });
    return undefined;
  } catch (thrown) {
    return fileFailure("making a folder for", thrown);
  }
}

/** Gives a written file its name, and leaves nothing under the temporary one unless it throws. */
type Take = (temporary: string, final: string) => Promise<SystemError | undefined>;

const replace: Take = async (temporary, final) => {
  await rename(temporary, final);
  return undefined;
};

/** A link, unlike a rename, takes no name that is taken: of many that write at once one is first. */
function linkOrSame(value: Uint8Array): Take {
  return async (temporary, final) => {
    try {
      await link(temporary, final);
      return undefined;
    } catch (thrown) {
      if (errorCode(thrown) !== "EEXIST") throw thrown;
      return Buffer.compare(await readFile(final), value) === 0 ? undefined : CONFLICT;
    } finally {
      await unlink(temporary);
    }
  };
}

async function writeThen(take: Take, final: string, content: Uint8Array): Promise<SystemError | undefined> {
  written++;
  // Neither an id nor a part of a key begins with a dot, so none can be called like this.
  const temporary = join(dirname(final), `.${process.pid}.${written}.tmp`);
  try {
    // wx: whoever may write to the folder cannot have it follow a link planted under that name.
    await writeFile(temporary, content, { flag: "wx", mode: 0o644 });
    return await take(temporary, final);
  } catch (thrown) {
    // Whatever stands there is of no use; if it cannot be removed either, the folder is what is broken.
    await unlink(temporary).catch(() => undefined);
    return fileFailure("writing", thrown);
  }
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
