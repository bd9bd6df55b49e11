import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SYSTEM_TYPES, type SystemType } from "../core/ports.ts";
import { newMemory } from "./memory.ts";
import { findSystem, systems } from "./registry.ts";

/** [type, connection string, outputType, connectionString in a tee's metadata] (agglo-behaviour 3.7) */
const FOUND: readonly (readonly [SystemType, string, string, string])[] = [
  ["ExternalKVStore", "mem:", "kvstore", "inMemStore"],
  ["ExternalKVStore", "mem:any:thing", "kvstore", "inMemStore"],
  ["ExternalKVStore", "local", "kvstore", "inMemStore"],
  ["ExternalObjectStore", "mem:bucket", "object", "mem:bucket"],
  ["ExternalPubSub", "mem:orders", "pubsub", "mem:orders"],
  [
    "ExternalKVStore",
    "dynamo:endpoint=http://h:1,region=r,tableName=t,prefixLength=4",
    "kvstore",
    "endpoint=http://h:1,region=r,tableName=t,prefixLength=4",
  ],
  ["ExternalObjectStore", "s3:endpoint=h:1,bucketName=b", "object", "s3:endpoint=h:1,bucketName=b"],
  ["ExternalPubSub", "nats:servers=a:1;b:1,subject=s", "pubsub", "nats:servers=a:1;b:1,subject=s"],
  ["ExternalPubSub", "kafka:servers=a:1,topicName=t", "pubsub", "kafka:servers=a:1,topicName=t"],
  ["ExternalSearchIndex", "elastic:index=i,nodes=http://h:1", "searchIndex", "index=i,nodes=http://h:1"],
  ["ExternalHttp", "https://example.com/in", "web", "https://example.com/in"],
  ["ExternalLocalFile", "/tmp/events", "localfile", "/tmp/events"],
  ["ExternalLocalFile", "file:/tmp/events", "localfile", "/tmp/events"],
  ["ExternalLocalFile", "file:/tmp/events.ndjson", "localfile", "/tmp/events.ndjson"],
  ["ExternalObjectStore", "file:/tmp/objects", "object", "file:/tmp/objects"],
];

/** [type, connection string, code, error, remedy] */
const REFUSED: readonly (readonly [SystemType, string, string, string, string])[] = [
  [
    "ExternalObjectStore",
    "gcs:bucketName=b",
    "E_CONNECTION",
    "gcs: is not there, as it never was in the original",
    "Google's storage speaks S3: s3:endpoint=https://storage.googleapis.com,bucketName=B with an HMAC key",
  ],
  [
    "ExternalKVStore",
    "redis://x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "redis:"',
    "for ExternalKVStore there is mem:, dynamo:",
  ],
  [
    "ExternalKVStore",
    "s3:x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "s3:"',
    "for ExternalKVStore there is mem:, dynamo:",
  ],
  [
    "ExternalPubSub",
    "orders",
    "E_CONNECTION",
    "the connection string has no scheme",
    "for ExternalPubSub there is mem:, nats:, kafka:",
  ],
  [
    "ExternalObjectStore",
    "local",
    "E_CONNECTION",
    "the connection string has no scheme",
    "for ExternalObjectStore there is mem:, file:, s3:",
  ],
  [
    "ExternalSearchIndex",
    "mem:x",
    "E_CONNECTION",
    'the connection string has the unknown scheme "mem:"',
    "for ExternalSearchIndex there is elastic:",
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
    "write the value; secrets stand under options",
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
    const files = readdirSync(import.meta.dirname).filter((name) => /^[a-z0-9-]+\.ts$/.test(name));
    const described = files.filter((name) =>
      readFileSync(`${import.meta.dirname}/${name}`, "utf8").includes(": SystemDefinition = {"),
    );
    const keys = systems.map((system) => `${system.definition.key}.ts`);
    expect(keys.sort()).toEqual(described.sort());
  });

  test("has a system for every type", () => {
    for (const type of SYSTEM_TYPES) {
      expect(systems.filter((system) => system.definition.types.includes(type))).not.toEqual([]);
    }
  });

  test("loads no client library before a system is opened", () => {
    const root = new URL("../../", import.meta.url);
    const rooms = ["engine", "extproc", "cli", "envoy"];
    const files = rooms.flatMap((room) =>
      readdirSync(new URL(room, root), { recursive: true, encoding: "utf8" }).map((name) => `${room}/${name}`),
    );
    const sources = files.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
    const importing = (pattern: RegExp) =>
      sources.filter((name) => pattern.test(readFileSync(new URL(name, root), "utf8"))).sort();
    expect(importing(/^import (?!type )[^;]*"@(?:aws-sdk|nats-io|platformatic)\//m)).toEqual([]);
    const opening = ["dynamo", "kafka", "nats", "s3"].map((key) => `engine/systems/${key}.ts`);
    expect(importing(/await import\("@(?:aws-sdk|nats-io|platformatic)\//)).toEqual(opening);
  });
});
