import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SYSTEM_TYPES, type SystemType } from "../core/ports.ts";
import { newMemory } from "./memory.ts";
import { findSystem, LATER_SCHEMES, systems } from "./registry.ts";

/** [type, connection string, outputType, connectionString in a tee's metadata] (agglo-behaviour 3.7) */
const FOUND: readonly (readonly [SystemType, string, string, string])[] = [
  ["ExternalKVStore", "mem:", "kvstore", "inMemStore"],
  ["ExternalKVStore", "mem:any:thing", "kvstore", "inMemStore"],
  ["ExternalKVStore", "local", "kvstore", "inMemStore"],
  ["ExternalObjectStore", "mem:bucket", "object", "mem:bucket"],
  ["ExternalPubSub", "mem:orders", "pubsub", "mem:orders"],
  ["ExternalHttp", "https://example.com/in", "web", "https://example.com/in"],
  ["ExternalLocalFile", "/tmp/events", "localfile", "/tmp/events"],
  ["ExternalLocalFile", "file:/tmp/events", "localfile", "/tmp/events"],
  ["ExternalLocalFile", "file:/tmp/events.ndjson", "localfile", "/tmp/events.ndjson"],
  ["ExternalObjectStore", "file:/tmp/objects", "object", "file:/tmp/objects"],
];

/** [type, connection string, code, error, remedy] */
const REFUSED: readonly (readonly [SystemType, string, string, string, string])[] = [
  [
    "ExternalKVStore",
    "dynamo:whatever",
    "E_NOT_YET",
    "dynamo: for ExternalKVStore is not there yet",
    "until then mem: serves to try things out",
  ],
  [
    "ExternalObjectStore",
    "s3:",
    "E_NOT_YET",
    "s3: for ExternalObjectStore is not there yet",
    "until then mem:, file: serves to try things out",
  ],
  [
    "ExternalObjectStore",
    "gcs:bucketName=b",
    "E_CONNECTION",
    "gcs: is not there, as it never was in the original",
    "Google's storage speaks S3: s3:endpoint=https://storage.googleapis.com,bucketName=B with an HMAC key",
  ],
  [
    "ExternalPubSub",
    "nats:servers=x",
    "E_NOT_YET",
    "nats: for ExternalPubSub is not there yet",
    "until then mem: serves to try things out",
  ],
  [
    "ExternalPubSub",
    "kafka:servers=x",
    "E_NOT_YET",
    "kafka: for ExternalPubSub is not there yet",
    "until then mem: serves to try things out",
  ],
  ["ExternalSearchIndex", "elastic:index=i", "E_NOT_YET", "elastic: for ExternalSearchIndex is not there yet", ""],
  [
    "ExternalKVStore",
    "redis://x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "redis:"',
    "for ExternalKVStore there is mem:; later dynamo:",
  ],
  [
    "ExternalKVStore",
    "s3:x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "s3:"',
    "for ExternalKVStore there is mem:; later dynamo:",
  ],
  [
    "ExternalPubSub",
    "orders",
    "E_CONNECTION",
    "the connection string has no scheme",
    "for ExternalPubSub there is mem:; later nats:, kafka:",
  ],
  [
    "ExternalObjectStore",
    "local",
    "E_CONNECTION",
    "the connection string has no scheme",
    "for ExternalObjectStore there is mem:, file:; later s3:",
  ],
  [
    "ExternalSearchIndex",
    "mem:x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "mem:"',
    "for ExternalSearchIndex there is later elastic:",
  ],
  [
    "ExternalHttp",
    "mem:x",
    "E_CONNECTION",
    'ExternalHttp knows no "mem:"',
    "write http://HOST/PATH or https://HOST/PATH",
  ],
  [
    "ExternalHttp",
    "http://u:${env:PW}@x/",
    "E_CONNECTION",
    "a connection string is taken as it stands, ${…} in it is not read",
    "write the value",
  ],
];

describe("the registry", () => {
  test.each(FOUND)("%s %j stands in metadata as %s %s", (type, connectionString, outputType, shown) => {
    expect(findSystem(type, connectionString)).toMatchObject({ type, outputType, connectionString: shown });
  });

  test.each(REFUSED)("%s %j is refused with %s: %s", (type, connectionString, code, error, remedy) => {
    expect(findSystem(type, connectionString)).toEqual({ code, error, remedy });
  });

  test("opens what it found", async () => {
    const connection = findSystem("ExternalPubSub", "mem:orders");
    if ("error" in connection) throw new Error(connection.error);
    const opened = await connection.open({ name: "orders", memory: newMemory() });
    expect(opened).toMatchObject({ port: { type: "ExternalPubSub" } });
  });

  test("has every system of the folder, under the name of its file", () => {
    const files = readdirSync(import.meta.dirname).filter((name) => /^[a-z-]+\.ts$/.test(name));
    const described = files.filter((name) =>
      readFileSync(`${import.meta.dirname}/${name}`, "utf8").includes(": SystemDefinition = {"),
    );
    const keys = systems.map((system) => `${system.definition.key}.ts`);
    expect(keys.sort()).toEqual(described.sort());
  });

  test("says for every type what there is, now or later", () => {
    for (const type of SYSTEM_TYPES) {
      const now = systems.filter((system) => system.definition.types.includes(type));
      expect(now.length + LATER_SCHEMES[type].length).toBeGreaterThan(0);
    }
  });
});
