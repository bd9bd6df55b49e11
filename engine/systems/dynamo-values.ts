/** Values in a DynamoDB table, as the original keeps them: one item each, its bytes in Value. */
import { randomUUID } from "node:crypto";
import type { KeyValueStore, SystemError } from "../core/ports.ts";
import {
  conditionFailed,
  isTooLarge,
  type Key,
  keyOf,
  prefixOf,
  readItem,
  readItems,
  type Table,
  tableFailure,
} from "./dynamo-table.ts";
import { CONFLICT, failure, isSystemError, refusedContent } from "./failure.ts";

const TOO_LARGE = refusedContent("tooLarge", "DynamoDB keeps nothing of more than 400 KB");

export function dynamoValues(table: Table): KeyValueStore {
  const { client, library, name } = table;
  return {
    put: (key, value) =>
      on(table, key, "writing to", async (Key) => {
        await client.send(new library.PutItemCommand({ TableName: name, Item: { ...Key, Value: { B: value } } }));
        return undefined;
      }),
    get: (key) =>
      on(table, key, "reading from", async (Key) => {
        const bytes = (await readItem(table, Key))?.Value?.B;
        return bytes === undefined ? undefined : new Uint8Array(bytes);
      }),
    delete: (key) =>
      on(table, key, "deleting from", async (Key) => {
        await client.send(new library.DeleteItemCommand({ TableName: name, Key }));
        return undefined;
      }),
    compareAndSet: (key, before, next) =>
      on(table, key, "writing to", (Key) => compareAndSet(table, Key, before, next)),
    list: (prefix) => list(table, prefix),
  };
}

/** Does something with an item; what the client throws becomes a value. */
async function on<T>(
  table: Table,
  key: string,
  doing: string,
  act: (Key: Key) => Promise<T | SystemError>,
): Promise<T | SystemError> {
  const Key = keyOf(table, key);
  if (isSystemError(Key)) return Key;
  try {
    return await act(Key);
  } catch (thrown) {
    return isTooLarge(thrown) ? TOO_LARGE : tableFailure(table, doing, thrown);
  }
}

async function compareAndSet(
  table: Table,
  Key: Key,
  before: Uint8Array | undefined,
  next: Uint8Array | undefined,
): Promise<SystemError | undefined> {
  const { onceClient, library, name: TableName } = table;
  if (before === undefined && next === undefined) {
    return (await readItem(table, Key)) === undefined ? undefined : CONFLICT;
  }
  const condition =
    before === undefined
      ? { ConditionExpression: "attribute_not_exists(ValueKey)" }
      : {
          ConditionExpression: "#value = :before",
          ExpressionAttributeNames: { "#value": "Value" },
          ExpressionAttributeValues: { ":before": { B: before } },
        };
  try {
    if (next === undefined) await onceClient.send(new library.DeleteItemCommand({ TableName, Key, ...condition }));
    else {
      const Item = { ...Key, Value: { B: next } };
      await onceClient.send(new library.PutItemCommand({ TableName, Item, ...condition }));
    }
    return undefined;
  } catch (thrown) {
    if (conditionFailed(thrown) !== undefined) return CONFLICT;
    throw thrown;
  }
}

async function list(table: Table, prefix: string): Promise<string[] | SystemError> {
  const hashKey = prefixOf(table, prefix);
  if (hashKey === undefined) {
    return failure("badId", `a prefix must have at least prefixLength=${table.prefixLength} characters`, false);
  }
  const keys: string[] = [];
  try {
    await readItems(table, hashKey, prefix, "ValueKey", ({ ValueKey }) => keys.push(ValueKey?.S ?? ""));
    return keys;
  } catch (thrown) {
    return tableFailure(table, "listing keys of", thrown);
  }
}

/** Writes, reads and removes an item; undefined: all went well. */
export async function tryValues(store: KeyValueStore, prefixLength: number): Promise<SystemError | undefined> {
  const key = `${"agglo-check-".padEnd(prefixLength, "-")}${randomUUID()}`;
  const put = await store.put(key, Buffer.from("probe"));
  if (put !== undefined) return put;
  const got = await store.get(key);
  const deleted = await store.delete(key);
  if (isSystemError(got)) return got;
  return deleted ?? (got === undefined ? failure("probe", "what was written was not there", false) : undefined);
}
