import { describe, expect, test } from "vitest";
import type { SystemType } from "../core/ports.ts";
import { findSystem } from "./registry.ts";

/** [type, connection string, error]; the remedy always says what is known */
const REFUSED: readonly (readonly [SystemType, string, string])[] = [
  ["ExternalObjectStore", "s3:", "the connection string lacks bucketName"],
  ["ExternalObjectStore", "s3:bucketName=b", "the connection string lacks an endpoint or a region"],
  ["ExternalObjectStore", "s3:bucket=b", 'the connection string has no parameter "bucket"'],
  ["ExternalObjectStore", "s3:bucketName=b,bucketName=c", 'the connection string has the parameter "bucketName" twice'],
  ["ExternalObjectStore", "s3:bucketName=b,region=r,pathStyle=yes", "pathStyle is neither true nor false"],
  ["ExternalObjectStore", "s3:bucketName=b,region=r,prefix=../", "the prefix cannot begin a key"],
  [
    "ExternalObjectStore",
    "s3:bucketName=b,endpoint=http://u:hunter2@x",
    "the endpoint is no HOST[:PORT], with or without http:// or https://",
  ],
  ["ExternalPubSub", "nats:servers=a:4222", "the connection string lacks subject"],
  ["ExternalPubSub", "nats:servers=a:4222,subject=orders.>", "the subject is none to publish to"],
  ["ExternalPubSub", "nats:servers=nats://u:hunter2@a,subject=s", "a user stands in servers"],
  ["ExternalPubSub", "kafka:servers=a:9092", "the connection string lacks topicName"],
  ["ExternalPubSub", "kafka:servers=a:9092,topicName=a b", "topicName is no topic"],
  ["ExternalPubSub", "kafka:servers=a,topicName=t", "servers is no list of HOST:PORT"],
  ["ExternalPubSub", "kafka:servers=u:hunter2@a:9092,topicName=t", "servers is no list of HOST:PORT"],
  ["ExternalPubSub", "kafka:servers=a:9092,topicName=t,isSync=1", "isSync is neither true nor false"],
  ["ExternalKVStore", "dynamo:", "the connection string lacks endpoint, region, tableName, prefixLength"],
  [
    "ExternalKVStore",
    "dynamo:endpoint=h,region=r,tableName=t,prefixLength=0",
    "prefixLength is no number from 1 to 999",
  ],
  [
    "ExternalKVStore",
    "dynamo:endpoint=http://u:hunter2@h,region=r,tableName=t,prefixLength=1",
    "the endpoint is no URL without a user",
  ],
  ["ExternalSearchIndex", "elastic:index=I,nodes=http://h", "the index has no name that Elasticsearch takes"],
  [
    "ExternalSearchIndex",
    "elastic:index=i,nodes=http://u:hunter2@h",
    "nodes is no list of http:// or https:// URLs without user and path",
  ],
  [
    "ExternalSearchIndex",
    "elastic:index=i,nodes=http://h,authString=hunter2",
    "authString is neither basic;USER;PASSWORD nor cloud;CLOUD_ID;API_KEY",
  ],
  [
    "ExternalSearchIndex",
    "elastic:index=i,nodes=,authString=cloud;hunter2",
    "authString=cloud is not followed by a cloud id and a key",
  ],
  [
    "ExternalSearchIndex",
    "elastic:index=i,nodes=http://h,bulkThreads=0",
    "bulkThreads and bulkThresholdBytes are whole numbers of at least 1",
  ],
];

describe("a connection string", () => {
  test.each(REFUSED)("for %s %j is refused: %s", (type, connectionString, error) => {
    const found = findSystem(type, connectionString);
    expect(found).toMatchObject({ code: "E_CONNECTION", error });
    expect(JSON.stringify(found)).not.toContain("hunter2");
  });
});
