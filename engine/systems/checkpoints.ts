/** The Checkpoints port over key-value stores and folders (agglo-behaviour 3.10): records under `<pipeline>:<messageID>`. */
import { createHash } from "node:crypto";
import type { Checkpoints, SystemError, TeeTarget } from "../core/ports.ts";
import { failure, isSystemError } from "./failure.ts";
import type { SystemPort } from "./system.ts";

export function checkpointsIn(find: (target: TeeTarget) => SystemPort | undefined): Checkpoints {
  return {
    async read(target, pipeline, messageId) {
      const bytes = await read(find(target), pipeline, messageId);
      if (bytes === undefined || isSystemError(bytes)) return bytes;
      return { record: Buffer.from(bytes).toString("utf8") };
    },
    async write(target, pipeline, messageId, record) {
      const port = find(target);
      // The original ends its values with a line end.
      const bytes = Buffer.from(`${record}\n`);
      if (port?.type === "ExternalKVStore") return port.store.put(keyOf(pipeline, messageId), bytes);
      if (port?.type === "ExternalLocalFile") return port.file.write(fileOf(pipeline, messageId), bytes);
      return NO_STORE;
    },
    async remove(target, pipeline, messageId) {
      const port = find(target);
      if (port?.type === "ExternalKVStore") return port.store.delete(keyOf(pipeline, messageId));
      if (port?.type === "ExternalLocalFile") return port.file.remove(fileOf(pipeline, messageId));
      return NO_STORE;
    },
  };
}

const NO_STORE: SystemError = failure("notOpen", "its store is not open", false);

async function read(
  port: SystemPort | undefined,
  pipeline: string,
  messageId: string,
): Promise<Uint8Array | undefined | SystemError> {
  if (port?.type === "ExternalKVStore") return port.store.get(keyOf(pipeline, messageId));
  if (port?.type === "ExternalLocalFile") return port.file.read(fileOf(pipeline, messageId));
  return NO_STORE;
}

function keyOf(pipeline: string, messageId: string): string {
  return `${pipeline}:${escapeName(messageId)}`;
}

/** What a file may be called beside the id of an event: `refuseFileName` has the last word. */
const FILE_NAME_CHARS_MAX = 128;

// The original's `<pipeline>:<messageID>` where both are plain, and no path whatever they are.
function fileOf(pipeline: string, messageId: string): string {
  const name = `${escapeName(pipeline)}:${escapeName(messageId)}`;
  if (name.length <= FILE_NAME_CHARS_MAX) return name;
  return createHash("sha256").update(name).digest("hex");
}

/** One to one: a `:` stays between the two, a dot cannot lead. */
function escapeName(name: string): string {
  return Array.from(Buffer.from(name), (byte, i) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(char) || (char === "." && i > 0) ? char : `%${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}
