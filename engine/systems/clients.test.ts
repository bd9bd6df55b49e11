/** A client library is loaded when a configuration names its system, and not before. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const REGISTRY = fileURLToPath(new URL("./registry.ts", import.meta.url));
const MEMORY = fileURLToPath(new URL("./memory.ts", import.meta.url));

/** Opens a system in a process of its own; which packages that had to be found, but for Node's. */
const PROGRAM = `
import { registerHooks } from "node:module";
const packages = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const found = /^(?:@aws-sdk\\/client-|@nats-io\\/|@platformatic\\/)[^/]*/.exec(specifier);
    if (found !== null && context.parentURL?.includes("/engine/")) packages.add(found[0]);
    return next(specifier, context);
  },
});
const [type, connectionString] = process.argv.slice(1);
const { findSystem } = await import(${JSON.stringify(REGISTRY)});
const { newMemory } = await import(${JSON.stringify(MEMORY)});
const connection = findSystem(type, connectionString);
if (packages.size > 0) throw new Error("loaded to read a connection string: " + [...packages]);
const opened = await connection.open({ name: "x", memory: newMemory() });
if ("retryable" in opened) throw new Error(opened.message);
process.stdout.write([...packages].sort().join(" "));
process.exit(0);
`;

test.each([
  ["ExternalKVStore", "mem:", ""],
  ["ExternalHttp", "http://127.0.0.1:9/", ""],
  ["ExternalLocalFile", "/tmp", ""],
  ["ExternalSearchIndex", "elastic:index=i,nodes=http://127.0.0.1:9", ""],
  ["ExternalObjectStore", "s3:endpoint=127.0.0.1:9,bucketName=b", "@aws-sdk/client-s3"],
  [
    "ExternalKVStore",
    "dynamo:endpoint=http://127.0.0.1:9,region=r,tableName=t,prefixLength=4",
    "@aws-sdk/client-dynamodb",
  ],
  ["ExternalPubSub", "nats:servers=127.0.0.1:9,subject=s", "@nats-io/jetstream @nats-io/transport-node"],
  ["ExternalPubSub", "kafka:servers=127.0.0.1:9,topicName=t", "@platformatic/kafka"],
])("%s %s loads no client but its own", async (type, connectionString, expected) => {
  const args = ["--input-type=module", "--eval", PROGRAM, type, connectionString];
  const env = { ...process.env, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  expect(stdout).toBe(expected);
});
