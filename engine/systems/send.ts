/** One event, or one batch of them, to one system, whatever its type: what each makes of it (agglo-behaviour 3.7, the table). */
import type { Codec, ObjectAbout, SystemError } from "../core/ports.ts";
import { failure } from "./failure.ts";
import type { SystemPort } from "./system.ts";

/** The reply's body; "" from everything but HTTP. */
export type Sent = { reply: string };

const NO_REPLY: Sent = { reply: "" };

/** What goes to a system in one call. The same in every try, so a target that has it already can tell by the id. */
export type Outgoing = {
  id: string;
  /** goes before the id where the system has keys */
  keyPrefix: string;
  /** JSON of one event, or what the codec makes of many */
  body: Uint8Array;
  /** null: one event */
  codec: Codec | null;
};

const ABOUT: { readonly [codec in Codec]: ObjectAbout } = {
  json: { contentType: "application/json", contentEncoding: "" },
  ndjson: { contentType: "application/x-ndjson", contentEncoding: "" },
  "ndjson.gz": { contentType: "application/x-ndjson", contentEncoding: "gzip" },
};

/** Sends. Never rejects, and always answers: every system has its own deadline. */
export async function send(port: SystemPort, outgoing: Outgoing): Promise<Sent | SystemError> {
  const { id, body, codec } = outgoing;
  const about = codec === null ? undefined : ABOUT[codec];
  switch (port.type) {
    case "ExternalKVStore":
      // The original writes values with a line end, and readers of its stores may count on it.
      return (await port.store.put(keyOf(outgoing), codec === null ? withLineEnd(body) : body)) ?? NO_REPLY;
    case "ExternalObjectStore":
      return (await port.objects.put(keyOf(outgoing), body, about)) ?? NO_REPLY;
    case "ExternalPubSub":
      return (await port.publisher.publish(id, body, about && { key: "", headers: headersOf(about) })) ?? NO_REPLY;
    case "ExternalHttp":
      return port.poster.post(id, body, about);
    case "ExternalLocalFile":
      return codec === null ? ((await port.file.write(id, body)) ?? NO_REPLY) : onlyEvents(port.type);
    case "ExternalSearchIndex":
      return codec === null ? ((await port.search.index(id, body)) ?? NO_REPLY) : onlyEvents(port.type);
  }
}

/** Sends one event as JSON text. As send. */
export function sendEvent(port: SystemPort, id: string, payload: string): Promise<Sent | SystemError> {
  return send(port, { id, keyPrefix: "", body: Buffer.from(payload), codec: null });
}

function keyOf({ keyPrefix, id, codec }: Outgoing): string {
  return codec === null ? keyPrefix + id : `${keyPrefix}${id}.${codec}`;
}

function withLineEnd(body: Uint8Array): Uint8Array {
  return Buffer.concat([body, Buffer.from("\n")]);
}

function headersOf(about: ObjectAbout): { [name: string]: string } {
  const headers: { [name: string]: string } = { "content-type": about.contentType };
  if (about.contentEncoding !== "") headers["content-encoding"] = about.contentEncoding;
  return headers;
}

// The loader refuses such a file.
function onlyEvents(type: string): SystemError {
  return failure("onlyEvents", `an ${type} takes events one by one`, false);
}

/** `orders/dt={date}/` at a time, in UTC. Which parts there are, core/processes/tee-sending.ts says. */
export function keyPrefixAt(template: string, nowMs: number): string {
  if (!template.includes("{")) return template;
  const date = new Date(nowMs).toISOString(); // 2026-11-24T10:02:31.000Z
  const parts: { [name: string]: string } = {
    date: date.slice(0, 10),
    year: date.slice(0, 4),
    month: date.slice(5, 7),
    day: date.slice(8, 10),
    hour: date.slice(11, 13),
  };
  return template.replace(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? "");
}
