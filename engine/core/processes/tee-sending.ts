/** How a tee's copies are sent: in batches or one by one (`batch`), under which keys (`keyPrefix`), and what keeps them (`spool`). */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { CODECS, type SystemType, type TeeSending } from "../ports.ts";

/** What may stand in braces in a key prefix: parts of the time at which the copy was made. */
const DATE_PARTS = ["date", "year", "month", "day", "hour"];

export const SENDING_FIELDS = {
  keyPrefix: {
    kind: "string",
    ours: true,
    doc:
      "Goes before the id in the key of a store, to sort what is stored: `orders/dt={date}/`. In braces `date` " +
      "(2026-11-24), `year`, `month`, `day` or `hour` (two digits), all UTC. It begins with literal text; letters, digits and " +
      "`. _ = / -` only, and no way out of its own folder.",
  },
  batch: {
    kind: "object",
    ours: true,
    doc:
      "Gathers copies and sends them as one object, message or POST when the first of its limits is reached. Its id is " +
      "made of its events' ids. One that its target refuses for its size or its content is halved until what is bad stands " +
      "alone, 128 times at most; an object of a store is not. Hosts that wait for their tees (`binge run`) send each copy by itself.",
    fields: {
      events: { kind: "integer", min: 1, max: 10_000, doc: "At most so many events. Default 1000." },
      bytes: {
        kind: "integer",
        min: 1,
        max: 16_777_216,
        doc: "At most so many bytes, before coding; a larger event goes by itself. Default 1048576; 262144 for a topic or a key-value store.",
      },
      seconds: { kind: "number", doc: "At most so long after its first event; more than 0, at most 900. Default 5." },
      codec: {
        kind: "word",
        words: CODECS,
        doc: "`ndjson` (default): an event a line. `json`: an array. `ndjson.gz`: lines in gzip. Ends the key of a store.",
      },
    },
  },
  spool: {
    kind: "string",
    ours: true,
    doc:
      "A folder (an absolute path, made where it is missing, of this tee alone) that keeps copies until their target has them: " +
      "across its outages, crashes and restarts, at least once, each under one id. Written off the traffic's path. A full disk " +
      "stops the spool and not the traffic: copies are then lost, counted as `spool`. A copy that the target refuses for good goes " +
      "to the spool's dead letters (`binge queue`). Only where copies are queued: hosts that wait for their tees send at once.",
  },
} as const;

type SendingConfig = ConfigOf<typeof SENDING_FIELDS> & { name: string };

/** undefined: the tee's system is not known, which is complained of elsewhere. */
export function compileSending(
  config: SendingConfig,
  type: SystemType | undefined,
  compiler: Compiler,
  at: DocumentPath,
): TeeSending {
  const sending: TeeSending = {
    tee: config.name,
    keyPrefix: config.keyPrefix ?? "",
    batch: null,
    spool: config.spool ?? "",
  };
  if (config.spool !== undefined) checkSpool(config.spool, compiler, at.concat("spool"));
  if (config.keyPrefix !== undefined) checkKeyPrefix(config.keyPrefix, type, compiler, at.concat("keyPrefix"));
  const batch = config.batch;
  if (batch === undefined) return sending;
  sending.batch = {
    events: batch.events ?? 1000,
    // NATS and Kafka take 1 MiB with headers, DynamoDB 400 KB.
    bytes: batch.bytes ?? (type === "ExternalPubSub" || type === "ExternalKVStore" ? 262_144 : 1_048_576),
    ms: (batch.seconds ?? 5) * 1000,
    codec: batch.codec ?? "ndjson",
  };
  if (!(sending.batch.ms > 0 && sending.batch.ms <= 900_000)) {
    complain(compiler.report, "E_VALUE", at.concat("batch", "seconds"), "expected more than 0 and at most 900", "");
  }
  if (type === "ExternalLocalFile" || type === "ExternalSearchIndex") {
    const remedy = "take batch out, or name an ExternalObjectStore";
    complain(compiler.report, "E_VALUE", at.concat("batch"), `an ${type} takes events one by one`, remedy);
  }
  return sending;
}

function checkSpool(folder: string, compiler: Compiler, at: DocumentPath): void {
  // One spelling of each, so that two tees cannot share one unseen.
  if (/^(\/[^/]+)+$/.test(folder) && !/\/\.\.?(\/|$)/.test(folder)) return;
  const message = "a spool is an absolute path without empty parts, . and ..";
  complain(compiler.report, "E_VALUE", at, message, "write it like /var/spool/agglo/archive");
}

const PREFIX_CHARS_MAX = 200;

function checkKeyPrefix(text: string, type: SystemType | undefined, compiler: Compiler, at: DocumentPath): void {
  const flaw = flawOf(text);
  if (flaw !== "") complain(compiler.report, "E_VALUE", at, flaw, "write it like orders/dt={date}/");
  if (type === undefined || type === "ExternalObjectStore" || type === "ExternalKVStore") return;
  const remedy = "take keyPrefix out, or name an ExternalObjectStore or ExternalKVStore";
  complain(compiler.report, "E_VALUE", at, `an ${type} has no keys`, remedy);
}

/** What is wrong with a key prefix; "" for nothing. */
function flawOf(text: string): string {
  if (text.length > PREFIX_CHARS_MAX) return `a key prefix has at most ${PREFIX_CHARS_MAX} characters`;
  // What is stored by a tee lies in a place of its own, and nobody lists a bucket by years.
  if (!/^[A-Za-z0-9_=-]/.test(text)) return "a key prefix begins with literal text";
  const parts = text.split(/\{([^{}]*)\}/);
  for (let i = 1; i < parts.length; i += 2) {
    const name = parts[i] as string;
    if (DATE_PARTS.indexOf(name) === -1) return `"{${name}}" is none of ${DATE_PARTS.join(", ")}`;
  }
  const literal = text.split(/\{[^{}]*\}/).join("0");
  const odd = /[^A-Za-z0-9._=/-]/.exec(literal);
  if (odd !== null) return `"${odd[0]}" cannot stand in a key prefix`;
  return /\/[./]/.test(literal) ? 'no part of a key prefix is empty or begins with "."' : "";
}
