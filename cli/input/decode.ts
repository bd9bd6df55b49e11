/** UTF-8 to text, whole characters at a time, without a byte order mark. */
import { Ending, Exit } from "../exit.ts";

/** Throws an Ending at a byte that is not UTF-8: replacing it would change an event silently. */
export async function* decode(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let done = 0;
  const decoded = (chunk: Uint8Array, stream: boolean): string => {
    try {
      return decoder.decode(chunk, { stream });
    } catch {
      throw new Ending(Exit.data, `the input is not UTF-8 near byte ${done}: convert it, with iconv for instance`);
    }
  };
  for await (const chunk of bytes) {
    yield decoded(chunk, true);
    done += chunk.byteLength;
  }
  decoded(new Uint8Array(0), false); // the end in the middle of a character
}
