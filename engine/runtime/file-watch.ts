/**
 * Notices that files changed, by looking at them: it sees what notification misses (a network's folder, an overlay), a
 * file that is replaced or comes later, and a link on the way to it that now leads elsewhere, which is how Kubernetes
 * changes a mounted ConfigMap (`..data` is swapped, the file's own link stays).
 */
import { type StatsListener, unwatchFile, watchFile } from "node:fs";

export type FileWatch = {
  /** These and no others. */
  set(files: readonly string[]): void;
  close(): void;
};

/** `everyMs`: how often each file is looked at. */
export function newFileWatch(everyMs: number, onChange: (file: string) => void): FileWatch {
  const watched = new Map<string, StatsListener>();
  const set = (files: readonly string[]): void => {
    const wanted = new Set(files);
    for (const [file, listener] of watched) {
      if (wanted.has(file)) continue;
      unwatchFile(file, listener);
      watched.delete(file);
    }
    for (const file of wanted) {
      if (watched.has(file)) continue;
      const listener: StatsListener = (now, before) => {
        // The first call about a file that is not there says so: nothing has changed yet.
        if (now.ino !== 0 || before.ino !== 0) onChange(file);
      };
      watched.set(file, listener);
      watchFile(file, { interval: everyMs, persistent: false }, listener);
    }
  };
  return { set, close: () => set([]) };
}
