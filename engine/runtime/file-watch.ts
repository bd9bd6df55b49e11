/**
 * Notices that files changed, by looking at them: it sees what notification misses (a network's folder, an overlay), a
 * file that is replaced or comes later, and a link on the way to it that now leads elsewhere, which is how Kubernetes
 * changes a mounted ConfigMap (`..data` is swapped, the file's own link stays).
 */
import { type BigIntStats, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { errorCode } from "../systems/failure.ts";

export type FileWatch = {
  /** Forgets all files: they are about to be read anew. */
  reset(): void;
  /** From now on a change of this file is reported. To be called before it is read, so that none is missed. */
  add(file: string): void;
  close(): void;
};

/** `everyMs`: how often each file is looked at. */
export function newFileWatch(everyMs: number, onChange: (file: string) => void): FileWatch {
  /** what each looked like last */
  const looks = new Map<string, string>();
  const timer = setInterval(() => {
    for (const file of looks.keys()) void look(file);
  }, everyMs);
  timer.unref();
  const look = async (file: string): Promise<void> => {
    const before = looks.get(file);
    const now = await stat(file, { bigint: true }).then(lookOf, errorCode);
    if (now === before || looks.get(file) !== before) return; // it may have been read anew meanwhile
    looks.set(file, now);
    onChange(file);
  };
  return {
    reset: () => looks.clear(),
    add: (file) => void looks.set(file, firstLook(file)),
    close() {
      clearInterval(timer);
      looks.clear();
    },
  };
}

function firstLook(file: string): string {
  try {
    return lookOf(statSync(file, { bigint: true }));
  } catch (error) {
    return errorCode(error);
  }
}

// Of the file that all links lead to.
function lookOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
