/** Every system there is, by the scheme a user types. A new one is a file in this folder and a line here. */
import type { SystemDefinition } from "../core/definition.ts";
import type { SystemError, SystemType } from "../core/ports.ts";
import { file, openFile, parseFile } from "./file.ts";
import { http, openHttp, parseHttp } from "./http.ts";
import { mem, openMem, parseMem } from "./mem.ts";
import { type Connection, type OpenedSystem, type Parsed, type Refusal, refuse, type SystemDeps } from "./system.ts";

export type System = {
  definition: SystemDefinition;
  connect(type: SystemType, connectionString: string): Connection | Refusal;
};

export const systems: readonly System[] = [
  newSystem(mem, parseMem, openMem),
  newSystem(file, parseFile, openFile),
  newSystem(http, parseHttp, openHttp),
];

function newSystem<S extends Parsed>(
  definition: SystemDefinition,
  parse: (type: SystemType, connectionString: string) => S | Refusal,
  open: (settings: S, deps: SystemDeps) => Promise<OpenedSystem | SystemError>,
): System {
  return {
    definition,
    connect(type, text) {
      const parsed = parse(type, text);
      if ("error" in parsed) return parsed;
      const { outputType, connectionString } = parsed;
      const optionFields = parsed.optionFields ?? definition.options ?? {};
      return { type, outputType, connectionString, optionFields, open: (deps) => open(parsed, deps) };
    },
  };
}

/** Schemes the grammar knows and this version does not open yet; their form is not checked. */
export const LATER_SCHEMES: { readonly [type in SystemType]: readonly string[] } = {
  ExternalKVStore: ["dynamo"],
  ExternalObjectStore: ["s3"],
  ExternalPubSub: ["nats", "kafka"],
  ExternalHttp: [],
  ExternalLocalFile: [],
  ExternalSearchIndex: ["elastic"],
};

/** The types whose connection strings are what they name, without a scheme of ours. */
const SCHEMELESS: { readonly [type in SystemType]?: string } = { ExternalHttp: "http", ExternalLocalFile: "file" };

/** What a connection string means for a type, or why it will not do. Opens nothing. */
export function findSystem(type: SystemType, connectionString: string): Connection | Refusal {
  if (/\$\{(?:env|file):/.test(connectionString)) {
    return refuse("a connection string is taken as it stands, ${…} in it is not read", "write the value");
  }
  const scheme = schemeOf(type, connectionString);
  for (const system of systems) {
    const { key, types } = system.definition;
    if (key === scheme && types.includes(type)) return system.connect(type, connectionString);
  }
  if (LATER_SCHEMES[type].includes(scheme)) return notYet(type, scheme);
  if (type === "ExternalObjectStore" && scheme === "gcs") return GCS;
  return unknown(type, scheme);
}

// The original has the code and no way to it (B28).
const GCS = refuse(
  "gcs: is not there, as it never was in the original",
  "Google's storage speaks S3: s3:endpoint=https://storage.googleapis.com,bucketName=B with an HMAC key",
);

function schemeOf(type: SystemType, connectionString: string): string {
  const implied = SCHEMELESS[type];
  if (implied !== undefined) return implied;
  // The original refuses the bare word, its own examples use it (agglo-behaviour, "Decisions" 1).
  if (type === "ExternalKVStore" && connectionString === "local") return "mem";
  const colon = connectionString.indexOf(":");
  return colon === -1 ? "" : connectionString.slice(0, colon);
}

function notYet(type: SystemType, scheme: string): Refusal {
  const now = schemesOf(type);
  const remedy = now === "" ? "" : `until then ${now} serves to try things out`;
  return { code: "E_NOT_YET", error: `${scheme}: for ${type} is not there yet`, remedy };
}

function unknown(type: SystemType, scheme: string): Refusal {
  const found = scheme === "" ? "has no scheme" : `has the unknown scheme "${scheme.slice(0, 40)}:"`;
  const later = LATER_SCHEMES[type].map((name) => `${name}:`).join(", ");
  const known = [schemesOf(type), later === "" ? "" : `later ${later}`].filter((text) => text !== "").join("; ");
  return refuse(`the connection string ${found}`, `for ${type} there is ${known}`);
}

function schemesOf(type: SystemType): string {
  const serving = systems.filter((system) => system.definition.types.includes(type));
  return serving.map((system) => `${system.definition.key}:`).join(", ");
}
