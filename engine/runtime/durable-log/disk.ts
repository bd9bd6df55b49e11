/**
 * What the log asks of a disk, no more: node-disk.ts is the real one, testing/simulated-disk.ts one that tears and fails.
 * Whatever fails rejects with an error that has a `code`, as Node's do (`ENOSPC`, `EIO`, `ENOENT`).
 */
export type Disk = {
  /** `create`: a new file, or the old one emptied; `write`: there or not, its bytes kept; `read`: it must be there. */
  open(path: string, mode: "create" | "write" | "read"): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** The names of the files in a folder. */
  list(dir: string): Promise<string[]>;
  /** Makes a folder and those above it where they are missing. */
  makeFolder(dir: string): Promise<void>;
  /** On disk when it resolves: which files a folder has, and by which names. */
  syncFolder(dir: string): Promise<void>;
  /** Makes this process the holder of a lock file; a dead holder's is taken over. Says who holds it otherwise. */
  lock(path: string): Promise<Lock | { holder: string }>;
};

export type Lock = { release(): Promise<void> };

export type DiskFile = {
  /** Writes at a place; may write less than it was given, and says how much. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Reads at a place into `target`; says how much, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** The bytes and the length are on disk when it resolves (fdatasync(2)). */
  dataSync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
};
