/** Every system there is, by the scheme a user types. A new one is a file in this folder and a line here. */
import type { SystemDefinition } from "../core/definition.ts";
import type { SystemError, SystemType } from "../core/ports.ts";
import { dynamo, openDynamo, parseDynamo } from "./dynamo.ts";
import { elastic, openElastic, parseElastic } from "./elastic.ts";
import { file, openFile, parseFile } from "./file.ts";
import { http, openHttp, parseHttp } from "./http.ts";
import { kafka, openKafka, parseKafka } from "./kafka.ts";
import { mem, openMem, parseMem } from "./mem.ts";
import { nats, openNats, parseNats } from "./nats.ts";
import { openS3, parseS3, s3 } from "./s3.ts";
import { type Connection, type OpenedSystem, type Parsed, type Refusal, refuse, type SystemDeps } from "./system.ts";

export type System = {
  definition: SystemDefinition;
  connect(type: SystemType, connectionString: string): Connection | Refusal;
};

export const systems: readonly System[] = [
  newSystem(mem, parseMem, openMem),
  newSystem(file, parseFile, openFile),
  newSystem(http, parseHttp, openHttp),
  newSystem(dynamo, parseDynamo, openDynamo),
  newSystem(s3, parseS3, openS3),
  newSystem(nats, parseNats, openNats),
  newSystem(kafka, parseKafka, openKafka),
  newSystem(elastic, parseElastic, openElastic),
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
      return {
        scheme: definition.key,
        type,
        outputType,
        connectionString,
        optionFields,
        open: (deps) => open(parsed, deps),
      };
    },
  };
}

/** The types whose connection strings are what they name, without a scheme of ours. */
const SCHEMELESS: { readonly [type in SystemType]?: string } = { ExternalHttp: "http", ExternalLocalFile: "file" };

/** What a connection string means for a type, or why it will not do. Opens nothing. */
export function findSystem(type: SystemType, connectionString: string): Connection | Refusal {
  if (/\$\{(?:env|file):/.test(connectionString)) {
    return refuse(
      "a connection string is taken as it stands, ${…} in it is not read",
      "write the value; secrets stand under options",
    );
  }
  const scheme = schemeOf(type, connectionString);
  for (const system of systems) {
    const { key, types } = system.definition;
    if (key === scheme && types.includes(type)) return system.connect(type, connectionString);
  }
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

function unknown(type: SystemType, scheme: string): Refusal {
  const found = scheme === "" ? "has no scheme" : `has the unknown scheme "${scheme.slice(0, 40)}:"`;
  return refuse(`the connection string ${found}`, `for ${type} there is ${schemesOf(type)}`);
}

function schemesOf(type: SystemType): string {
  const serving = systems.filter((system) => system.definition.types.includes(type));
  return serving.map((system) => `${system.definition.key}:`).join(", ");
}
