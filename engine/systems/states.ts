/** The States port of the thread that has the stores. */
import type { States } from "../core/ports.ts";
import { failedAnswer } from "../core/state/update.ts";
import type { SystemPort } from "./system.ts";

/** Updates the state of the open key-value store that `find` gives for a name. */
export function statesOf(find: (store: string) => SystemPort | undefined): States {
  return {
    update(store, update) {
      const port = find(store);
      if (port?.type !== "ExternalKVStore") return failedAnswer("it is not open", "error", false);
      return port.states?.update(update) ?? failedAnswer("it keeps no counts and joins", "error", false);
    },
  };
}
