/** The admin page `/checkpoints?messageId=ID`: how far each pipeline came with an event that has not ended. */
import { isObject } from "../engine/core/event/json.ts";
import { parseText } from "../engine/core/event/parse.ts";
import { stringify } from "../engine/core/event/write.ts";
import type { AdminAnswer, AdminPage } from "../engine/runtime/admin.ts";
import type { Runtimes } from "../engine/runtime/generations.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";

/** As the original: a record or null for each pipeline, in the order of the file; 404 where none has one. */
export function checkpointsPage(runtimes: Runtimes): AdminPage {
  return async (query) => {
    const id = query.get("messageId") ?? "";
    if (id === "") return { status: 400, text: "say which event: /checkpoints?messageId=ID\n" };
    const runtime = runtimes.enter();
    try {
      return await answer(runtime, id);
    } finally {
      runtimes.leave(runtime);
    }
  };
}

async function answer({ pipelines, ports }: Runtime, id: string): Promise<AdminAnswer> {
  const records: string[] = [];
  for (const { name, options } of pipelines) {
    const store = options?.checkpoint ?? null;
    const found = store === null ? undefined : await ports.checkpoints.read(store, name, id);
    if (found !== undefined && !("record" in found)) {
      return { status: 503, text: `pipeline ${name}: its store does not answer: ${found.message}\n` };
    }
    records.push(found === undefined ? "null" : recordText(found.record));
  }
  if (records.every((record) => record === "null")) return { status: 404, text: `nothing is kept of event ${id}\n` };
  return { status: 200, text: `{"checkpoints":[${records.join(",")}]}\n`, type: "application/json" };
}

/** Deeper than any record of ours. */
const DEPTH_MAX = 2000;

function recordText(record: string): string {
  const { fault, value } = parseText(record, 0, record.length, DEPTH_MAX);
  return fault === undefined && isObject(value) ? stringify(value) : "null";
}
