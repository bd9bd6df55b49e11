/**
 * The file system: a folder with a file per event or per object (file-folder.ts), or one file with a line per event
 * (file-lines.ts). The folder must be there already.
 */
import { randomUUID } from "node:crypto";
import { unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ConfigOf, Fields, SystemDefinition } from "../core/definition.ts";
import type { LocalFile, SystemError, SystemType } from "../core/ports.ts";
import { CLOSED, failure } from "./failure.ts";
import { fileFailure, refuseDirectory } from "./file-failure.ts";
import { newEventFiles, newObjectFiles } from "./file-folder.ts";
import { newLines } from "./file-lines.ts";
import { type Closing, guardFile, guardObjects } from "./guard.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";

const ROTATE_BYTES = 128 * 1024 * 1024;

const options = {
  rotateBytes: {
    kind: "integer",
    min: 1024,
    doc: `\`.ndjson\` only: a file that would become longer is renamed to \`NAME-TIME-PID.ndjson\` first. Default ${ROTATE_BYTES}.`,
  },
  keep: { kind: "integer", min: 1, doc: "`.ndjson` only: so many renamed files are kept. Default: all." },
} as const;

export const file: SystemDefinition = {
  key: "file",
  summary:
    "Writes each event or object as a file into a folder that is there already, or each event as a line of a file.",
  types: ["ExternalLocalFile", "ExternalObjectStore"],
  grammar: "DIRECTORY (ExternalLocalFile only), file:DIRECTORY or file:DIRECTORY/NAME.ndjson (ExternalLocalFile only)",
  options,
};

const NO_OPTIONS: Fields = {};

export type FileSettings = Parsed & {
  type: "ExternalLocalFile" | "ExternalObjectStore";
  directory: string;
  /** the one file that all events go to; "": each has its own */
  lines: string;
};

export function parseFile(type: SystemType, connectionString: string): FileSettings | Refusal {
  const scheme = /^[a-z][a-z0-9+.-]*:/.exec(connectionString)?.[0];
  if (scheme !== undefined && scheme !== "file:") {
    return refuse(
      `ExternalLocalFile knows no "${scheme}"`,
      `write a directory; one that is called so is "./${scheme}…"`,
    );
  }
  // file:///tmp is what a browser writes for /tmp.
  const path = scheme === undefined ? connectionString : connectionString.slice(5).replace(/^\/\/(?=\/)/, "");
  if (path === "" || path.includes("\0")) {
    return refuse("the connection string names no directory", "write a directory, as in /var/mirror");
  }
  if (type === "ExternalObjectStore") {
    const shown = `file:${path}`;
    return {
      type,
      outputType: "object",
      connectionString: shown,
      directory: path,
      lines: "",
      optionFields: NO_OPTIONS,
    };
  }
  const common = { type: "ExternalLocalFile", outputType: "localfile", connectionString: path } as const;
  if (scheme !== undefined && path.endsWith(".ndjson")) return { ...common, directory: dirname(path), lines: path };
  return { ...common, directory: path, lines: "", optionFields: NO_OPTIONS };
}

export async function openFile(settings: FileSettings, deps?: SystemDeps): Promise<OpenedSystem | SystemError> {
  const { type, directory } = settings;
  const missing = await refuseDirectory(directory);
  if (missing !== undefined) return missing;
  const state: Closing = { closed: false };
  const end = (close: () => Promise<void>) => ({
    probe: () => (state.closed ? Promise.resolve(CLOSED) : probe(directory)),
    close() {
      state.closed = true;
      return close();
    },
  });
  if (type === "ExternalObjectStore") {
    return { port: { type, objects: guardObjects(newObjectFiles(directory), state) }, ...end(async () => {}) };
  }
  if (settings.lines === "") {
    return { port: { type, file: guardFile(newEventFiles(directory), state) }, ...end(async () => {}) };
  }
  const { rotateBytes, keep } = (deps?.options ?? {}) as ConfigOf<typeof options>; // the loader has checked them
  const lines = newLines(settings.lines, { bytes: rotateBytes ?? ROTATE_BYTES, keep: keep ?? 0 });
  const all: LocalFile = {
    write: (_id, content) => lines.append(content),
    read: async () => ONE_FILE,
    remove: async () => ONE_FILE,
  };
  return { port: { type, file: guardFile(all, state) }, ...end(lines.close) };
}

const ONE_FILE = failure("oneFile", "all events go to one file, and no single one is found there again", false);

async function probe(directory: string): Promise<Probed | SystemError> {
  const path = join(directory, `.agglo-check-${randomUUID()}`);
  try {
    await writeFile(path, "probe", { flag: "wx" });
    await unlink(path);
    return { found: "wrote and removed a file" };
  } catch (thrown) {
    return fileFailure("writing", thrown);
  }
}
