/**
 * What a pipeline may ask of the outside. The core owns these types; engine/systems and engine/runtime implement them on
 * Node, njs in nginx, tests by hand.
 */

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

/** Why a system did not do what it was asked. Never thrown. */
export type SystemError = { code: string; message: string; retryable: boolean };

export type KeyValueStore = {
  put(key: string, value: Uint8Array): Promise<SystemError | undefined>;
  /** undefined where there is none */
  get(key: string): Promise<Uint8Array | undefined | SystemError>;
};
export type ObjectStore = {
  put(key: string, value: Uint8Array): Promise<SystemError | undefined>;
};
export type Publisher = {
  publish(id: string, message: Uint8Array): Promise<SystemError | undefined>;
};
export type HttpPoster = {
  /** POSTs JSON; the reply's body where there is one */
  post(id: string, body: Uint8Array): Promise<{ reply: string } | SystemError>;
};
export type LocalFile = {
  /** writes one event as `<id>.json` */
  write(id: string, content: Uint8Array): Promise<SystemError | undefined>;
};

/** Where a tee sends, as the plan names it. */
export type TeeTarget = {
  type: SystemType;
  name: string;
  /** what the tee's metadata say (agglo-behaviour 3.7) */
  outputType: string;
  connectionString: string;
};

/** What became of a payload that a tee waited for. */
export type Delivery = { error: string /** JSON text of the reply; "" when there was none */; response: string };

export type Tees = {
  /** true in hosts where a tee waits for its target; false in proxies, where it must never delay a reply */
  waits: boolean;
  /** Takes the payload (JSON text) and returns at once; what cannot be kept is counted and dropped. */
  offer(target: TeeTarget, id: string, payload: string): void;
  /** Sends the payload and says what became of it. */
  deliver(target: TeeTarget, id: string, payload: string): Promise<Delivery>;
};

export type Counters = {
  /** adds to the counter `name`, told apart by a label of bounded variety (a rule, a reason) */
  add(name: string, label: string, amount: number): void;
};

export type Ports = {
  regexps: Regexps;
  clock: Clock;
  ids: Ids;
  hmacs: Hmacs;
  tees: Tees;
  counters: Counters;
};
