/**
 * S3 and what speaks like it. An object is put once: If-None-Match refuses a second one, and whether that was the same is
 * told by the SHA-256 among its metadata; so a retry whose first try went through is no error.
 */
import { createHash, randomUUID } from "node:crypto";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import type { ObjectAbout, ObjectStore, SystemError, SystemType } from "../core/ports.ts";
import { CREDENTIAL_FIELDS } from "./aws-credentials.ts";
import { awsFailure, awsStatus } from "./aws-failure.ts";
import { CLOSED, CONFLICT, failure, isSystemError, refuseObjectKey } from "./failure.ts";
import { guardObjects } from "./guard.ts";
import { parseBoolean, parseParameters } from "./parameters.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";

const MEBIBYTE = 1024 * 1024;
const MULTIPART_BYTES = 16 * MEBIBYTE;
/** S3 takes no smaller parts, but for the last one. */
const PART_BYTES_MIN = 5 * MEBIBYTE;
const TIMEOUT_MS = 30_000;
const CONNECT_MS = 5000;

const options = {
  credentials: {
    kind: "object",
    doc: "Left out: `S3OBJECTSTOREACCESSKEYID_<BUCKET>` and `S3OBJECTSTORESECRETACCESSKEY_<BUCKET>` of the environment, as in the original, else AWS's own chain.",
    fields: CREDENTIAL_FIELDS,
  },
  timeoutMs: { kind: "integer", min: 1, max: 600_000, doc: `For one request. Default ${TIMEOUT_MS}.` },
  multipartBytes: {
    kind: "integer",
    min: PART_BYTES_MIN,
    doc: `Objects of at least this size go in parts of this size. Default ${MULTIPART_BYTES}.`,
  },
} as const;

export const s3: SystemDefinition = {
  key: "s3",
  summary: "Puts each event or batch as an object into a bucket, once.",
  types: ["ExternalObjectStore"],
  grammar:
    "s3:endpoint=HOST:PORT,bucketName=B[,prefix=P][,region=R][,pathStyle=BOOL]; https:// before the host for TLS; AWS itself: s3:bucketName=B,region=R",
  options,
};

export type S3Settings = Parsed & {
  /** as it was written; "": AWS's own */
  endpoint: string;
  bucket: string;
  prefix: string;
  region: string;
  pathStyle: boolean;
};

export function parseS3(_type: SystemType, connectionString: string): S3Settings | Refusal {
  const names = ["endpoint", "bucketName", "prefix", "region", "pathStyle"];
  const parameters = parseParameters(connectionString, names, ["bucketName"]);
  if ("refusal" in parameters) return parameters.refusal as Refusal;
  const { endpoint = "", bucketName: bucket = "", prefix = "", region = "" } = parameters;
  if (endpoint === "" && region === "") {
    return refuse("the connection string lacks an endpoint or a region", "write endpoint=HOST:PORT or region=R");
  }
  if (endpoint !== "" && !isEndpoint(endpoint)) {
    return refuse("the endpoint is no HOST[:PORT], with or without http:// or https://", "leave out path and user");
  }
  if (prefix !== "" && refuseObjectKey(`${prefix}x`) !== undefined) {
    return refuse("the prefix cannot begin a key", "write plain parts between slashes, as in mirror/orders/");
  }
  const pathStyle = parseBoolean(parameters, "pathStyle") ?? endpoint !== "";
  if (typeof pathStyle === "object") return pathStyle.refusal;
  return { outputType: "object", connectionString, endpoint, bucket, prefix, region, pathStyle };
}

function isEndpoint(text: string): boolean {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  return url !== null && url.username === "" && url.password === "" && url.pathname === "/" && url.search === "";
}

type Chosen = ConfigOf<typeof options>;

export async function openS3(settings: S3Settings, deps: SystemDeps): Promise<OpenedSystem> {
  const chosen = (deps.options ?? {}) as Chosen; // the loader has checked them
  const library = await import("@aws-sdk/client-s3");
  const client = new library.S3Client(clientOptions(settings, chosen));
  const state = { closed: false };
  const bucket: Bucket = { library, client, settings, multipartBytes: chosen.multipartBytes ?? MULTIPART_BYTES };
  const objects: ObjectStore = {
    put: (key, value, about) => put(bucket, key, value, about ?? JSON_OBJECT),
  };
  return {
    port: { type: "ExternalObjectStore", objects: guardObjects(objects, state) },
    probe: async () => (state.closed ? CLOSED : probe(bucket)),
    async close() {
      state.closed = true;
      client.destroy();
    },
  };
}

const JSON_OBJECT: ObjectAbout = { contentType: "application/json", contentEncoding: "" };

type Bucket = {
  library: typeof import("@aws-sdk/client-s3");
  client: S3Client;
  settings: S3Settings;
  multipartBytes: number;
};

function clientOptions(settings: S3Settings, chosen: Chosen): S3ClientConfig {
  const { endpoint, region, pathStyle } = settings;
  const credentials = chosen.credentials ?? bucketCredentials(settings.bucket);
  return {
    region: region || "us-east-1",
    forcePathStyle: pathStyle,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: chosen.timeoutMs ?? TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...(endpoint === "" ? {} : { endpoint: urlOf(endpoint, settings.bucket) }),
    ...(credentials === undefined
      ? {}
      : { credentials: credentials as { accessKeyId: string; secretAccessKey: string } }),
  };
}

// The original names its endpoints without a scheme and reads the rest from the environment (agglo-behaviour 5.4).
function urlOf(endpoint: string, bucket: string): string {
  if (/^https?:\/\//.test(endpoint)) return endpoint;
  return `${bucketVariable("S3OBJECTSTOREUSESSL", bucket) === "true" ? "https" : "http"}://${endpoint}`;
}

function bucketCredentials(bucket: string): { accessKeyId: string; secretAccessKey: string } | undefined {
  const accessKeyId = bucketVariable("S3OBJECTSTOREACCESSKEYID", bucket);
  const secretAccessKey = bucketVariable("S3OBJECTSTORESECRETACCESSKEY", bucket);
  return accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey };
}

function bucketVariable(name: string, bucket: string): string | undefined {
  return process.env[`${name}_${bucket.toUpperCase()}`];
}

async function put(
  bucket: Bucket,
  key: string,
  value: Uint8Array,
  about: ObjectAbout,
): Promise<SystemError | undefined> {
  const Key = bucket.settings.prefix + key;
  const refused = refuseObjectKey(Key);
  if (refused !== undefined) return refused;
  const sha256 = createHash("sha256").update(value).digest("hex");
  const { contentType: ContentType, contentEncoding } = about;
  const coding = contentEncoding === "" ? {} : { ContentEncoding: contentEncoding };
  const head: Head = { Bucket: bucket.settings.bucket, Key, ContentType, ...coding, Metadata: { sha256 } };
  try {
    if (value.byteLength >= bucket.multipartBytes) await putParts(bucket, head, value);
    else {
      const { client, library } = bucket;
      await client.send(new library.PutObjectCommand({ ...head, Body: value, IfNoneMatch: "*" }));
    }
    return undefined;
  } catch (thrown) {
    if (awsStatus(thrown) === 412) return conflictUnlessSame(bucket, head, value.byteLength);
    return awsFailure(`putting into bucket ${bucket.settings.bucket}`, thrown);
  }
}

type Head = {
  Bucket: string;
  Key: string;
  ContentType: string;
  ContentEncoding?: string;
  Metadata: { sha256: string };
};

async function conflictUnlessSame(bucket: Bucket, head: Head, bytes: number): Promise<SystemError | undefined> {
  const { client, library } = bucket;
  try {
    const there = await client.send(new library.HeadObjectCommand({ Bucket: head.Bucket, Key: head.Key }));
    return there.ContentLength === bytes && there.Metadata?.sha256 === head.Metadata.sha256 ? undefined : CONFLICT;
  } catch (thrown) {
    return awsFailure(`looking at an object of bucket ${head.Bucket}`, thrown);
  }
}

// Parts one after the other: the tee's concurrency already says how much is under way.
async function putParts(bucket: Bucket, head: Head, value: Uint8Array): Promise<void> {
  const { client, library, multipartBytes } = bucket;
  const { UploadId } = await client.send(new library.CreateMultipartUploadCommand(head));
  const upload = { Bucket: head.Bucket, Key: head.Key, UploadId };
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let at = 0; at < value.byteLength; at += multipartBytes) {
      const Body = value.subarray(at, at + multipartBytes);
      const PartNumber = Parts.length + 1;
      const { ETag } = await client.send(new library.UploadPartCommand({ ...upload, PartNumber, Body }));
      Parts.push({ PartNumber, ETag });
    }
    const MultipartUpload = { Parts };
    await client.send(new library.CompleteMultipartUploadCommand({ ...upload, MultipartUpload, IfNoneMatch: "*" }));
  } catch (thrown) {
    // Parts of an upload that nobody ends are paid for; where this fails too, a lifecycle rule is left.
    await client.send(new library.AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw thrown;
  }
}

async function probe(bucket: Bucket): Promise<Probed | SystemError> {
  const { client, library, settings } = bucket;
  const key = `agglo-check-${randomUUID()}`;
  const failed = await put(bucket, key, Buffer.from("probe"), { contentType: "text/plain", contentEncoding: "" });
  if (isSystemError(failed)) return failed;
  try {
    await client.send(new library.DeleteObjectCommand({ Bucket: settings.bucket, Key: settings.prefix + key }));
    return { found: "put and removed an object" };
  } catch (thrown) {
    const { message } = awsFailure("removing it", thrown);
    return failure("probe", `put an object ${settings.prefix}${key} that cannot be removed: ${message}`, false);
  }
}
