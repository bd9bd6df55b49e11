/** The s3: system against versitygw. */
import { createHash } from "node:crypto";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../engine/core/event/json.ts";
import type { ObjectStore } from "../../../engine/core/ports.ts";
import { type Bench, keepsObjects, opened, outlivesRestarts, takesEvents } from "../../../engine/systems/contract.ts";
import { newMemory } from "../../../engine/systems/memory.ts";
import { openS3, parseS3 } from "../../../engine/systems/s3.ts";
import type { OpenedSystem } from "../../../engine/systems/system.ts";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { S3_CREDENTIALS, type S3Server, startS3 } from "../../../tools/servers/s3.ts";

const missing = await whyNoGoPrograms("versitygw");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const START_MS = 600_000; // the first time it is built

describe.skipIf(missing !== undefined)("S3", () => {
  let server: S3Server;
  let looking: S3Client;
  let buckets = 0;

  beforeAll(async () => {
    server = await startS3();
    looking = new S3Client({
      endpoint: server.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: S3_CREDENTIALS,
    });
  }, START_MS);
  afterAll(async () => {
    looking.destroy();
    await server.end();
  });

  async function newBucket(): Promise<string> {
    const Bucket = `bucket-${++buckets}`;
    await looking.send(new CreateBucketCommand({ Bucket }));
    return Bucket;
  }

  async function open(bucket: string, more = "", options: JsonObject = {}): Promise<OpenedSystem> {
    const parsed = parseS3("ExternalObjectStore", `s3:endpoint=${server.endpoint},bucketName=${bucket}${more}`);
    if ("error" in parsed) throw new Error(parsed.error);
    return opened(
      openS3(parsed, { name: "s3", memory: newMemory(), options: { credentials: S3_CREDENTIALS, ...options } }),
    );
  }

  async function objectsOf(system: Promise<OpenedSystem>): Promise<ObjectStore> {
    const { port } = await system;
    if (port.type !== "ExternalObjectStore") throw new Error(port.type);
    return port.objects;
  }

  async function get(Bucket: string, Key: string) {
    const object = await looking.send(new GetObjectCommand({ Bucket, Key }));
    return { ...object, bytes: (await object.Body?.transformToByteArray()) ?? new Uint8Array() };
  }

  async function keysOf(Bucket: string): Promise<string[]> {
    const { Contents = [] } = await looking.send(new ListObjectsV2Command({ Bucket }));
    return Contents.map(({ Key = "" }) => Key).sort();
  }

  async function openBench(): Promise<Bench> {
    const bucket = await newBucket();
    const system = await open(bucket);
    return {
      opened: system,
      arrived: (id) =>
        get(bucket, id).then(
          ({ bytes }) => Buffer.from(bytes).toString("utf8"),
          () => undefined,
        ),
      ids: () => keysOf(bucket),
      end: () => system.close(),
    };
  }

  takesEvents("a bucket", openBench);
  keepsObjects("a bucket", async () => objectsOf(open(await newBucket())));
  outlivesRestarts("a bucket", () => server, openBench);

  test("objects say what they are, under the prefix", async () => {
    const bucket = await newBucket();
    const objects = await objectsOf(open(bucket, ",prefix=mirror/"));
    const about = { contentType: "application/x-ndjson", contentEncoding: "gzip" };
    expect(await objects.put("2026/11/24/a.ndjson.gz", Uint8Array.of(0, 255), about)).toBeUndefined();
    expect(await objects.put("b", Buffer.from("{}"))).toBeUndefined();
    expect(await keysOf(bucket)).toEqual(["mirror/2026/11/24/a.ndjson.gz", "mirror/b"]);
    expect(await get(bucket, "mirror/2026/11/24/a.ndjson.gz")).toMatchObject({
      ContentType: "application/x-ndjson",
      ContentEncoding: "gzip",
      bytes: Uint8Array.of(0, 255),
    });
    expect(await get(bucket, "mirror/b")).toMatchObject({ ContentType: "application/json" });
  });

  test("large objects go in parts, once, and leave no parts behind", { timeout: 60_000 }, async () => {
    const bucket = await newBucket();
    const objects = await objectsOf(open(bucket, "", { multipartBytes: 5 * 1024 * 1024 }));
    const large = Buffer.alloc(11 * 1024 * 1024, "every part differs");
    expect(await objects.put("large", large)).toBeUndefined();
    expect(await objects.put("large", large)).toBeUndefined();
    const other = Buffer.from(large).fill("x", 7_000_000, 7_000_001);
    expect(await objects.put("large", other)).toMatchObject({ code: "conflict" });
    const { bytes, ETag } = await get(bucket, "large");
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(createHash("sha256").update(large).digest("hex"));
    expect(ETag).toMatch(/-3"$/);
  });

  test.each<[string, string, JsonObject, string]>([
    ["a wrong key", "", { credentials: { ...S3_CREDENTIALS, secretAccessKey: "wrong" } }, "SignatureDoesNotMatch"],
    ["a bucket that is not there", "-missing", {}, "NoSuchBucket"],
  ])("%s is an error for good, which shows no key", async (_, suffix, options, code) => {
    const objects = await objectsOf(open((await newBucket()) + suffix, "", options));
    const error = await objects.put("a", Buffer.from("x"));
    expect(error).toMatchObject({ code, retryable: false });
    expect(JSON.stringify(error)).not.toContain(S3_CREDENTIALS.secretAccessKey);
  });

  test("credentials may come from the original's variables", async () => {
    const bucket = await newBucket();
    const names = ["S3OBJECTSTOREACCESSKEYID", "S3OBJECTSTORESECRETACCESSKEY"].map(
      (name) => `${name}_${bucket.toUpperCase()}`,
    );
    process.env[names[0] as string] = S3_CREDENTIALS.accessKeyId;
    process.env[names[1] as string] = S3_CREDENTIALS.secretAccessKey;
    // As the original writes endpoints.
    const parsed = parseS3("ExternalObjectStore", `s3:endpoint=${server.endpoint.slice(7)},bucketName=${bucket}`);
    if ("error" in parsed) throw new Error(parsed.error);
    const objects = await objectsOf(openS3(parsed, { name: "s3", memory: newMemory() }));
    expect(await objects.put("a", Buffer.from("x"))).toBeUndefined();
    for (const name of names) delete process.env[name];
  });

  test("a probe puts an object and removes it", async () => {
    const bucket = await newBucket();
    const system = await open(bucket);
    expect(await system.probe()).toEqual({ found: "put and removed an object" });
    expect(await keysOf(bucket)).toEqual([]);
    const missingBucket = await open(`${bucket}-missing`);
    expect(await missingBucket.probe()).toMatchObject({ code: "NoSuchBucket" });
  });
});
