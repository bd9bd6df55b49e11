/** NDJSON: an event per line, blank lines left out. A line that is wrong is only its own fault. */
import { isUtf8 } from "node:buffer";
import { Ending, Exit } from "../exit.ts";
import { EVENT_LENGTH_MAX, type Found } from "./found.ts";

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = "\ufeff";

export async function* readNdjson(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Found> {
  let line = 1;
  let open: Uint8Array[] = []; // of a line whose end has not come
  let openBytes = 0;
  for await (const chunk of bytes) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      open.push(chunk.subarray(from, end));
      const found = foundIn(open, line);
      if (found !== undefined) yield found;
      open = [];
      openBytes = 0;
      from = end + 1;
      line++;
    }
    open.push(chunk.subarray(from));
    openBytes += chunk.byteLength - from;
    if (openBytes > EVENT_LENGTH_MAX) {
      throw new Ending(Exit.data, `line ${line}: longer than ${EVENT_LENGTH_MAX} bytes; is this NDJSON? see --format`);
    }
  }
  const last = foundIn(open, line);
  if (last !== undefined) yield last;
}

/** undefined: the line is blank. */
function foundIn(parts: readonly Uint8Array[], line: number): Found | undefined {
  const bytes = Buffer.concat(parts);
  const place = `line ${line}`;
  if (!isUtf8(bytes)) return { place, fault: "not UTF-8" };
  const whole = bytes.toString("utf8");
  const marked = line === 1 && whole.startsWith(BYTE_ORDER_MARK) ? whole.slice(1) : whole;
  const text = marked.endsWith("\r") ? marked.slice(0, -1) : marked;
  return text.trim() === "" ? undefined : { place, text };
}
