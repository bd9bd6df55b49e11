/**
 * A table of the original's layout: hash key KeyPrefix, the first characters of a key, and range key ValueKey, the whole
 * key. What stands in an item beside them is a matter of its kind: a value (dynamo-values.ts), a group of an aggregation
 * (dynamo-tallies.ts) or a value that waits for its join keys (dynamo-completions.ts).
 */
import { createHash } from "node:crypto";
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { SystemError } from "../core/ports.ts";
import { awsErrorName, awsFailure } from "./aws-failure.ts";
import { failure } from "./failure.ts";

export type Library = typeof import("@aws-sdk/client-dynamodb");
export type Item = Record<string, AttributeValue>;
export type Key = { KeyPrefix: { S: string }; ValueKey: { S: string } };

export type Table = {
  library: Library;
  /** repeats what may not have gone through: for requests that do no harm twice */
  client: DynamoDBClient;
  /** repeats nothing: for those that cannot tell their own first try from somebody else's */
  onceClient: DynamoDBClient;
  name: string;
  prefixLength: number;
};

/** DynamoDB's limit for a range key, in bytes of UTF-8. */
const KEY_BYTES_MAX = 1024;

/** The key of a caller, or why there can be none. */
export function keyOf(table: Table, key: string): Key | SystemError {
  const prefix = prefixOf(table, key);
  if (prefix === undefined || !key.isWellFormed() || Buffer.byteLength(key) > KEY_BYTES_MAX) {
    const message = `a key must be Unicode of at least prefixLength=${table.prefixLength} characters and at most ${KEY_BYTES_MAX} bytes`;
    return failure("badId", message, false);
  }
  return { KeyPrefix: { S: prefix }, ValueKey: { S: key } };
}

/**
 * As keyOf, for keys that hold texts of events: longer ones, or ones that are no Unicode, end in their hash instead, and
 * are as long as no other key.
 */
export function stateKeyOf(table: Table, key: string): Key | SystemError {
  if (key.isWellFormed() && Buffer.byteLength(key) < KEY_BYTES_MAX) return keyOf(table, key);
  const hash = createHash("sha256").update(key, "utf16le").digest("hex");
  const head = firstBytes(key.toWellFormed(), KEY_BYTES_MAX - hash.length - 1);
  const filled = head + ".".repeat(KEY_BYTES_MAX - hash.length - 1 - Buffer.byteLength(head));
  return keyOf(table, `${filled}#${hash}`);
}

/** The hash key of all keys that begin so; undefined: they have none in common. */
export function prefixOf(table: Table, key: string): string | undefined {
  const characters = Array.from(key.slice(0, table.prefixLength * 2));
  return characters.length < table.prefixLength ? undefined : characters.slice(0, table.prefixLength).join("");
}

/** The longest beginning of whole characters that takes no more than so many bytes. */
function firstBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.byteLength, bytesMax);
  while (end > 0 && end < bytes.byteLength && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** The item as it is now, whatever replica has it. Rejects as the client does. */
export async function readItem({ client, library, name }: Table, Key: Key): Promise<Item | undefined> {
  const { Item } = await client.send(new library.GetItemCommand({ TableName: name, Key, ConsistentRead: true }));
  return Item;
}

/** Every item whose key begins so; the function is called for each, a page at a time. Rejects as the client does. */
export async function readItems(
  { client, library, name }: Table,
  hashKey: string,
  prefix: string,
  attributes: string | undefined,
  take: (item: Item) => void,
): Promise<void> {
  let ExclusiveStartKey: Item | undefined;
  do {
    const page = await client.send(
      new library.QueryCommand({
        TableName: name,
        ConsistentRead: true,
        KeyConditionExpression: "KeyPrefix = :hash AND begins_with(ValueKey, :prefix)",
        ExpressionAttributeValues: { ":hash": { S: hashKey }, ":prefix": { S: prefix } },
        ...(attributes === undefined ? {} : { ProjectionExpression: attributes }),
        ...(ExclusiveStartKey === undefined ? {} : { ExclusiveStartKey }),
      }),
    );
    for (const item of page.Items ?? []) take(item);
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
}

/** The item that a condition did not hold for, {} where there is none; undefined: something else went wrong. */
export function conditionFailed(thrown: unknown): Item | undefined {
  if (awsErrorName(thrown) !== "ConditionalCheckFailedException") return undefined;
  return (thrown as { Item?: Item }).Item ?? {};
}

export function tableFailure(table: Table, doing: string, thrown: unknown): SystemError {
  return awsFailure(`${doing} table ${table.name}`, thrown);
}

/** An item would become larger than DynamoDB takes (400 KB). */
export function isTooLarge(thrown: unknown): boolean {
  return awsErrorName(thrown) === "ValidationException" && /item size/i.test((thrown as Error).message);
}
