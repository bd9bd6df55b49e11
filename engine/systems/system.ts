/**
 * What the systems have in common: a connection string is parsed without opening anything (lint does no more), then
 * opened once, then used through one of core's ports. Whatever goes wrong out there is a value.
 */
import type { Fields } from "../core/definition.ts";
import type { JsonObject } from "../core/event/json.ts";
import type {
  HttpPoster,
  KeyValueStore,
  LocalFile,
  ObjectStore,
  Publisher,
  SearchIndex,
  StateStore,
  SystemError,
  SystemType,
} from "../core/ports.ts";
import type { Stores } from "./memory.ts";

/** Why a connection string will not do: what was found, and what would do. */
export type Refusal = { code: "E_CONNECTION"; error: string; remedy: string };

/** What every parsed connection string says; each system adds what it needs to open. */
export type Parsed = {
  /** `outputType` and `connectionString` of a tee's metadata (agglo-behaviour 3.7); without any password */
  outputType: string;
  connectionString: string;
  /** left out: what the definition says */
  optionFields?: Fields;
};

export type SystemDeps = {
  /** what the file calls the external system */
  name: string;
  /** everything kept in memory, owned by the runtime or another process */
  memory: Stores;
  /** as the system's own fields describe them, secrets resolved; left out: none */
  options?: JsonObject;
};

/** An opened system, by the type that the file gives it. */
export type SystemPort =
  // Without states it cannot keep counts and joins.
  | { type: "ExternalKVStore"; store: KeyValueStore; states?: StateStore }
  | { type: "ExternalObjectStore"; objects: ObjectStore }
  | { type: "ExternalPubSub"; publisher: Publisher }
  | { type: "ExternalHttp"; poster: HttpPoster }
  | { type: "ExternalLocalFile"; file: LocalFile }
  | { type: "ExternalSearchIndex"; search: SearchIndex };

/** What a harmless try of a system found: in words, after "ok". */
export type Probed = { found: string };

export type OpenedSystem = {
  port: SystemPort;
  /** Goes there and back, and leaves nothing behind. Never rejects. */
  probe(): Promise<Probed | SystemError>;
  /** Ends it; calls after this answer `closed`. Never rejects. */
  close(): Promise<void>;
};

/** A connection string understood, ready to be opened. */
export type Connection = Parsed & {
  /** the key of the system that it leads to */
  scheme: string;
  type: SystemType;
  optionFields: Fields;
  open(deps: SystemDeps): Promise<OpenedSystem | SystemError>;
};

export function refuse(error: string, remedy: string): Refusal {
  return { code: "E_CONNECTION", error, remedy };
}
