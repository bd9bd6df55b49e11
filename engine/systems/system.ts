/**
 * What the systems have in common: a connection string is parsed without opening anything (lint does no more), then
 * opened once, then used through one of core's ports. Whatever goes wrong out there is a value.
 */
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
export type Refusal = { code: "E_CONNECTION" | "E_NOT_YET"; error: string; remedy: string };

/** What every parsed connection string says; each system adds what it needs to open. */
export type Parsed = {
  /** `outputType` and `connectionString` of a tee's metadata (agglo-behaviour 3.7); without any password */
  outputType: string;
  connectionString: string;
};

export type SystemDeps = {
  /** what the file calls the external system */
  name: string;
  /** everything kept in memory, owned by the runtime or another process */
  memory: Stores;
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

export type OpenedSystem = {
  port: SystemPort;
  /** Ends it; calls after this answer `closed`. Never rejects. */
  close(): Promise<void>;
};

/** A connection string understood, ready to be opened. */
export type Connection = Parsed & {
  type: SystemType;
  open(deps: SystemDeps): Promise<OpenedSystem | SystemError>;
};

export function refuse(error: string, remedy: string): Refusal {
  return { code: "E_CONNECTION", error, remedy };
}
