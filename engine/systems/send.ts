/** One event to one system, whatever its type: what each type makes of it (agglo-behaviour 3.7, the table). */
import type { SystemError } from "../core/ports.ts";
import type { SystemPort } from "./system.ts";

/** The reply's body; "" from everything but HTTP. */
export type Sent = { reply: string };

const NO_REPLY: Sent = { reply: "" };

/** Sends the payload (JSON text). Never rejects. */
export async function sendEvent(port: SystemPort, id: string, payload: string): Promise<Sent | SystemError> {
  switch (port.type) {
    case "ExternalKVStore":
      // The original writes values with a line end, and readers of its stores may count on it.
      return (await port.store.put(id, Buffer.from(`${payload}\n`))) ?? NO_REPLY;
    case "ExternalObjectStore":
      return (await port.objects.put(id, Buffer.from(payload))) ?? NO_REPLY;
    case "ExternalPubSub":
      return (await port.publisher.publish(id, Buffer.from(payload))) ?? NO_REPLY;
    case "ExternalHttp":
      return port.poster.post(id, Buffer.from(payload));
    case "ExternalLocalFile":
      return (await port.file.write(id, Buffer.from(payload))) ?? NO_REPLY;
    case "ExternalSearchIndex":
      return (await port.search.index(id, Buffer.from(payload))) ?? NO_REPLY;
  }
}
