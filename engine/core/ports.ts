/**
 * What a pipeline may ask of the outside. The core owns these types; engine/systems and engine/runtime implement them on
 * Node, njs in nginx, tests by hand.
 */
import type { JsonValue } from "./event/json.ts";
import type { StateAnswer, StateUpdate } from "./state/update.ts";

/** A pattern with RE2 semantics: linear in the text, searched anywhere. */
export type Pattern = {
  test(text: string): boolean;
  /** Replaces every match. `template` is Go's: `$1`, `${name}`, `$$` (agglo-behaviour 3.6). */
  replaceAll(text: string, template: string): string;
};

export type Regexps = {
  /** Compiles, or says in words why not. */
  compile(pattern: string): Pattern | { error: string };
};

/** What is wrong with a value: where (a JSON Pointer, RFC 6901) and which keyword of the schema says so. Never the value. */
export type ValidationError = { pointer: string; keyword: string };

/** What is wrong with a schema, and where in it. */
export type SchemaFlaw = { path: (string | number)[]; message: string };

/** A compiled JSON Schema (2020-12). Numbers are doubles to it. */
export type Validator = {
  /** [] = valid; otherwise the first errors, at most VALIDATION_ERRORS_MAX */
  validate(value: JsonValue): readonly ValidationError[];
};

export const VALIDATION_ERRORS_MAX = 20;

export type Schemas = {
  /** Fetches nothing: references lead into the schema itself. */
  compile(schema: JsonValue): Validator | { flaws: readonly SchemaFlaw[] };
};

export type Clock = {
  /** milliseconds since the Unix epoch */
  nowMs(): number;
  /** the local time, RFC 3339, whole seconds: `2026-11-24T11:02:31+01:00` */
  localTime(): string;
};

export type Ids = {
  /** a random UUID, version 4 */
  uuid(): string;
};

export type Hmacs = {
  /** HMAC-SHA-256 of the UTF-8 text under the secret that `reference` names (`${env:NAME}`, `${file:/path}`), in hex. */
  hmacSha256(reference: string, text: string): string;
};

/** The ports a tee can point at, by the original's type names (agglo-behaviour 1.2). */
export const SYSTEM_TYPES = [
  "ExternalKVStore",
  "ExternalPubSub",
  "ExternalObjectStore",
  "ExternalHttp",
  "ExternalLocalFile",
  "ExternalSearchIndex",
] as const;
export type SystemType = (typeof SYSTEM_TYPES)[number];

/**
 * Why a system did not do what it was asked. Never thrown. `divisible`: it refused what it was sent for what it is, not who
 * sends it or where to; a part of it may be taken.
 */
export type SystemError = { code: string; message: string; retryable: boolean; divisible?: true };

export type KeyValueStore = {
  put(key: string, value: Uint8Array): Promise<SystemError | undefined>;
  /** undefined where there is none */
  get(key: string): Promise<Uint8Array | undefined | SystemError>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<SystemError | undefined>;
  /**
   * Makes `next` of what is byte for byte `before`; undefined stands for no value on either side. `conflict`: something
   * else is there, and nothing was changed. Any other error but `throttled` leaves open whether it was: read again.
   */
  compareAndSet(
    key: string,
    before: Uint8Array | undefined,
    next: Uint8Array | undefined,
  ): Promise<SystemError | undefined>;
  /** The keys that begin with `prefix`, in no order. */
  list(prefix: string): Promise<string[] | SystemError>;
};

/** What an object is beside its bytes. Without it: JSON. */
export type ObjectAbout = { contentType: string /** "": none */; contentEncoding: string };

export type ObjectStore = {
  /** An object is put once: the same bytes again are no error, others under its key are a `conflict`. */
  put(key: string, value: Uint8Array, about?: ObjectAbout): Promise<SystemError | undefined>;
};

/** What a message carries beside its bytes. */
export type MessageAbout = {
  /** messages with one key keep their order, where the system has keys; "": none */
  key: string;
  headers: { readonly [name: string]: string };
};

export type Publisher = {
  /** `id` names the message for whoever removes duplicates: NATS's message id, a Kafka header. */
  publish(id: string, message: Uint8Array, about?: MessageAbout): Promise<SystemError | undefined>;
};
export type HttpPoster = {
  /** Sends the body, JSON where nothing else is said; the reply's body where there is one */
  post(id: string, body: Uint8Array, about?: ObjectAbout): Promise<{ reply: string } | SystemError>;
};
export type LocalFile = {
  /** Writes one event: as `<id>.json`, or as the next line of the one file that all go to. */
  write(id: string, content: Uint8Array): Promise<SystemError | undefined>;
  /** undefined where there is none; an error where all events go to one file */
  read(id: string): Promise<Uint8Array | undefined | SystemError>;
  /** Removing what is not there is no error. As `read` otherwise. */
  remove(id: string): Promise<SystemError | undefined>;
};
export type SearchIndex = {
  /** Indexes an event (JSON text) under its id; once more replaces. */
  index(id: string, event: Uint8Array): Promise<SystemError | undefined>;
};

/** Where a tee sends, as the plan names it. */
export type TeeTarget = {
  type: SystemType;
  name: string;
  /** what the tee's metadata say (agglo-behaviour 3.7) */
  outputType: string;
  connectionString: string;
};

/** Deeper replies would overflow whoever prints the event later. */
export const REPLY_DEPTH_MAX = 64;

/** What became of a payload that a tee waited for. */
export type Delivery = {
  error: string;
  /** whether another try may help */
  retryable: boolean;
  /** JSON text of the reply, no deeper than REPLY_DEPTH_MAX; "" when there was none */
  response: string;
};

/** How a batch is written: an array, an event a line, or such lines in gzip. */
export const CODECS = ["json", "ndjson", "ndjson.gz"] as const;
export type Codec = (typeof CODECS)[number];

/** A batch is sent when the first of these is reached. */
export type BatchLimits = { events: number; bytes: number; ms: number; codec: Codec };

/** How a tee's copies are sent: plain data. */
export type TeeSending = {
  /** the tee's name: what it gathers goes together */
  tee: string;
  /** goes before the id in the key of a store; may hold parts of the date (`orders/dt={date}/`) */
  keyPrefix: string;
  /** null: each copy by itself */
  batch: BatchLimits | null;
  /** the folder that keeps copies until their target has them; "": memory does */
  spool: string;
};

export type Tees = {
  /** true in hosts where a tee waits for its target; false in proxies, where it must never delay a reply */
  waits: boolean;
  /** Takes the payload (JSON text) and returns at once; what cannot be kept is counted and dropped. */
  offer(target: TeeTarget, sending: TeeSending, id: string, payload: string): void;
  /** Sends the payload by itself, whatever `sending.batch` says, and says what became of it. */
  deliver(target: TeeTarget, sending: TeeSending, id: string, payload: string): Promise<Delivery>;
};

/** A command to run: no shell in between, and nothing of one run is another's (B18). */
export type CommandRequest = {
  /** a path, or a name that PATH finds */
  path: string;
  args: readonly string[];
  stdin: string;
  /** before it is started */
  delayMs: number;
  /** for waiting for its turn and running, together; then it is killed with everything it started */
  timeoutMs: number;
  outputBytesMax: number;
};

/** Why a command gave no output: as SystemError, and beside it what the command itself said. */
export type CommandFailure = SystemError & {
  /** the first line of its stderr, bounded; "" for none. May hold a part of the event: never for a proxy's log. */
  stderr: string;
};

export type Commands = {
  /** What it wrote to stdout when it ended with 0. Never rejects. */
  run(request: CommandRequest): Promise<{ stdout: string } | CommandFailure>;
};

export type Delays = {
  /** Resolves after so many milliseconds. Never rejects. */
  sleep(delayMs: number): Promise<void>;
};

export type Random = {
  /** at least 0, less than 1 */
  fraction(): number;
};

/** Where pipelines keep how far they came with an event. */
export type Checkpoints = {
  /** The record of that event, JSON text; undefined: there is none. */
  read(target: TeeTarget, pipeline: string, messageId: string): Promise<{ record: string } | undefined | SystemError>;
  write(target: TeeTarget, pipeline: string, messageId: string, record: string): Promise<SystemError | undefined>;
  /** Removing what is not there is no error. */
  remove(target: TeeTarget, pipeline: string, messageId: string): Promise<SystemError | undefined>;
};

/** A piece of work that a trace shows. */
export type Span = {
  /** what happens within names it by this as its parent (W3C Trace Context, `traceparent`) */
  traceparent: string;
  end(succeeded: boolean): void;
};

/**
 * What pipelines and processes tell of themselves where the file asks for it. `name` is `<pipeline>` or
 * `<pipeline>.<process>`.
 */
export type Instruments = {
  /** nanoseconds of a clock that only goes forward */
  nowNs(): number;
  /** how long one run took, in nanoseconds whatever it is of (B27) */
  latency(kind: "pipeline" | "process", name: string, ns: number): void;
  /** how one run ended; a stop and a refusal are successes */
  ended(kind: "pipeline" | "process", name: string, succeeded: boolean): void;
  /** `parent`: the traceparent of what it is a part of; "" for nothing */
  span(kind: "pipeline" | "process", name: string, parent: string): Span;
};

/** Keeps counts, sums and joins: one store, one atomic change at a time. */
export type StateStore = {
  /** At once where the store lives in this thread; a promise otherwise, which never rejects. */
  update(update: StateUpdate): StateAnswer | Promise<StateAnswer>;
};

export type States = {
  /** Changes the state in the key-value store of that name. As StateStore. */
  update(store: string, update: StateUpdate): StateAnswer | Promise<StateAnswer>;
};

export type Counters = {
  /** adds to the counter `name`, told apart by a label of bounded variety (a rule, a reason) */
  add(name: string, label: string, amount: number): void;
};

export type Ports = {
  regexps: Regexps;
  schemas: Schemas;
  clock: Clock;
  ids: Ids;
  hmacs: Hmacs;
  tees: Tees;
  counters: Counters;
  states: States;
  commands: Commands;
  delays: Delays;
  random: Random;
  checkpoints: Checkpoints;
  instruments: Instruments;
};
