/** Events are run before they are answered, and forgotten then. */
import { type Runtimes, withRuntime } from "../engine/runtime/generations.ts";
import type { Posted } from "../engine/runtime/posts.ts";
import { type Counts, countEvents } from "./counts.ts";
import type { Take } from "./requests.ts";

export function runAtOnce(runtimes: Runtimes, counts: Counts): Take {
  const counted = (posted: Posted): Posted => {
    countEvents(counts, posted.tally);
    return posted;
  };
  return (post) => {
    const posted = withRuntime(runtimes, ({ posts }) => posts.post(post));
    return posted instanceof Promise ? posted.then(counted) : counted(posted);
  };
}
