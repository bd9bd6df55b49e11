/** A process of shared-stores.test.ts: keeps the stores that others ask for. */
import { newMemory } from "../../systems/memory.ts";
import { ipcPort } from "../asking.ts";
import { serveStores } from "../shared-stores.ts";

serveStores(ipcPort(process, "stores"), newMemory());
