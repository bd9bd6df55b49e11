/**
 * Aggregations in a DynamoDB table: one item per group, `<aggregations' key>:g:<path>`, its numbers as attributes that one
 * request changes together. ADD alone would count twice what a retry brings twice; so an item remembers the ids of its
 * last updates, in two generations, and takes none that it has:
 *
 *   IdsNew takes ids until it is full or old; then it becomes IdsOld, and the IdsOld before is forgotten.
 *
 * The largest and the smallest need no ids: taking one twice changes nothing.
 */
import { createHash } from "node:crypto";
import { isObject, type JsonObject, newObject, setOwn } from "../core/event/json.ts";
import { type Fold, failedAnswer, type NumberUpdate, newAnswer, type StateAnswer } from "../core/state/update.ts";
import { type Cap, newCap } from "./cap.ts";
import {
  conditionFailed,
  type Item,
  isTooLarge,
  type Key,
  prefixOf,
  readItem,
  readItems,
  stateKeyOf,
  type Table,
  tableFailure,
} from "./dynamo-table.ts";
import { isSystemError } from "./failure.ts";

export type TallyLimits = {
  /** ids in one generation of a group */
  idsMax: number;
  /** how long a generation takes ids */
  idsMs: number;
  /** groups that one process may add to, and that are read at once */
  groupsMax: number;
};

// 512 ids are 6 KB. What is repeated comes back within seconds, and a group takes at most some hundred updates a second.
export const TALLY_LIMITS: TallyLimits = { idsMax: 512, idsMs: 60_000, groupsMax: 100_000 };

/** A rotation that somebody else made first is no failure: tried anew, as long as somebody is getting on. */
const ATTEMPTS_MAX = 50;
const ID_BYTES = 12;
/** In front of the numbers' own names, which clients choose. */
const NUMBER = "n:";

type Tallies = {
  table: Table;
  limits: TallyLimits;
  nowMs: () => number;
  groups: Cap;
  /** keys that the original left nothing under */
  clean: Set<string>;
};

export function dynamoTallies(
  table: Table,
  limits: TallyLimits,
  nowMs: () => number,
): (fold: Fold) => Promise<StateAnswer> {
  const groups = newCap(limits.groupsMax, Number.POSITIVE_INFINITY);
  const tallies: Tallies = { table, limits, nowMs, groups, clean: new Set() };
  return async (fold) => {
    try {
      const refused = (await refuseOld(tallies, fold.key)) ?? (await add(tallies, fold));
      if (refused !== undefined) return refused;
      return fold.reads ? await read(tallies, fold.key) : newAnswer();
    } catch (thrown) {
      const { message, retryable } = tableFailure(table, "counting in", thrown);
      return failedAnswer(message, "error", retryable);
    }
  };
}

// The original keeps all groups in one value under this key. Adding beside it would show half of the truth.
async function refuseOld({ table, clean }: Tallies, key: string): Promise<StateAnswer | undefined> {
  if (clean.has(key)) return undefined;
  const Key = stateKeyOf(table, key);
  if (isSystemError(Key)) return failedAnswer(`${Key.message}; a partitionUuid makes it longer`, "error", false);
  if ((await readItem(table, Key)) !== undefined) {
    const message = `the original agglo has left its counts in table ${table.name}: take another table or partitionUuid, or remove the items that end in ":as"`;
    return failedAnswer(message, "error", false);
  }
  clean.add(key);
  return undefined;
}

async function add(tallies: Tallies, fold: Fold): Promise<StateAnswer | undefined> {
  if (fold.numbers.length === 0) return undefined;
  const key = `${fold.key}:g:${fold.path.map(part).join(":")}`;
  const Key = stateKeyOf(tallies.table, key);
  if (isSystemError(Key)) return failedAnswer(`${Key.message}; a partitionUuid makes it longer`, "error", false);
  if (!tallies.groups.admits(Key.ValueKey.S, tallies.nowMs())) {
    return failedAnswer(
      `this process has added to ${tallies.limits.groupsMax} groups and takes no new ones`,
      "overload",
      false,
    );
  }
  try {
    const extreme = fold.numbers.find(({ operator }) => operator !== "add");
    if (extreme === undefined) await addOnce(tallies, Key, fold);
    else await setExtreme(tallies.table, Key, fold, extreme);
    return undefined;
  } catch (thrown) {
    if (!isTooLarge(thrown)) throw thrown;
    return failedAnswer("a group has more buckets than DynamoDB keeps in an item", "overload", false);
  }
}

// As in core/state/key.ts: no path is another's beginning.
function part(name: string): string {
  return name.replaceAll("%", "%25").replaceAll(":", "%3A");
}

async function addOnce(tallies: Tallies, Key: Key, fold: Fold): Promise<void> {
  const id = createHash("sha256").update(fold.id).digest().subarray(0, ID_BYTES);
  let full: string | undefined;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const item: Item | undefined = await tryToAdd(tallies, Key, fold, id, full);
    if (item === undefined || remembers(item, id)) return;
    full = isFull(tallies, item) ? item.IdsSince?.N : undefined;
  }
  throw new Error("ConditionalCheckFailed"); // somebody is always faster: as retryable as a server that does not answer
}

/** `full`: when the generation began that is to become the old one. undefined: added; else the item as it was. */
async function tryToAdd(
  { table, limits, nowMs }: Tallies,
  Key: Key,
  fold: Fold,
  id: Uint8Array,
  full: string | undefined,
): Promise<Item | undefined> {
  const { client, library, name: TableName } = table;
  const numbers = numbersOf(fold.numbers);
  const isNew = "NOT contains(IdsNew, :id) AND NOT contains(IdsOld, :id)";
  const values: Item = {
    ...numbers.values,
    ":id": { B: id },
    ":ids": { BS: [id] },
    ":now": { N: String(nowMs()) },
    ":path": pathValue(fold.path),
  };
  const update =
    full === undefined
      ? {
          UpdateExpression: `ADD ${numbers.additions}, IdsNew :ids SET IdsSince = if_not_exists(IdsSince, :now), #path = :path`,
          ConditionExpression: `${isNew} AND (attribute_not_exists(IdsSince) OR (IdsSince > :old AND size(IdsNew) < :max))`,
          ExpressionAttributeValues: {
            ...values,
            ":old": { N: String(nowMs() - limits.idsMs) },
            ":max": { N: String(limits.idsMax) },
          },
        }
      : {
          UpdateExpression: `ADD ${numbers.additions} SET IdsOld = IdsNew, IdsNew = :ids, IdsSince = :now, #path = :path`,
          ConditionExpression: `${isNew} AND IdsSince = :full`,
          ExpressionAttributeValues: { ...values, ":full": { N: full } },
        };
  try {
    const ExpressionAttributeNames = { ...numbers.names, "#path": "Path" };
    const ReturnValuesOnConditionCheckFailure = "ALL_OLD";
    await client.send(
      new library.UpdateItemCommand({
        TableName,
        Key,
        ...update,
        ExpressionAttributeNames,
        ReturnValuesOnConditionCheckFailure,
      }),
    );
    return undefined;
  } catch (thrown) {
    const item = conditionFailed(thrown);
    if (item === undefined) throw thrown;
    return item;
  }
}

function numbersOf(numbers: readonly NumberUpdate[]) {
  const names: Record<string, string> = {};
  const values: Item = {};
  for (const [i, { name, operand }] of numbers.entries()) {
    names[`#n${i}`] = NUMBER + name;
    values[`:n${i}`] = { N: String(operand) };
  }
  return { names, values, additions: numbers.map((_, i) => `#n${i} :n${i}`).join(", ") };
}

function pathValue(path: readonly string[]) {
  // Not all that JavaScript calls a string is one to DynamoDB: as JSON it is.
  return { S: JSON.stringify(path) };
}

function isFull({ limits, nowMs }: Tallies, { IdsNew, IdsSince }: Item): boolean {
  return (IdsNew?.BS?.length ?? 0) >= limits.idsMax || Number(IdsSince?.N) <= nowMs() - limits.idsMs;
}

function remembers(item: Item, id: Uint8Array): boolean {
  return [item.IdsNew, item.IdsOld].some((ids) => ids?.BS?.some((known) => Buffer.compare(known, id) === 0));
}

async function setExtreme(
  table: Table,
  Key: Key,
  fold: Fold,
  { name, operator, operand }: NumberUpdate,
): Promise<void> {
  const { client, library } = table;
  try {
    await client.send(
      new library.UpdateItemCommand({
        TableName: table.name,
        Key,
        UpdateExpression: "SET #number = :number, #path = :path",
        ConditionExpression: `attribute_not_exists(#number) OR #number ${operator === "max" ? "<" : ">"} :number`,
        ExpressionAttributeNames: { "#number": NUMBER + name, "#path": "Path" },
        ExpressionAttributeValues: { ":number": { N: String(operand) }, ":path": pathValue(fold.path) },
      }),
    );
  } catch (thrown) {
    if (conditionFailed(thrown) === undefined) throw thrown; // otherwise there is a larger, or smaller, one
  }
}

async function read({ table, limits }: Tallies, key: string): Promise<StateAnswer> {
  const prefix = `${key}:g:`;
  const hashKey = prefixOf(table, prefix);
  if (hashKey === undefined) return failedAnswer("its keys are shorter than prefixLength", "error", false);
  const values = newObject();
  let groups = 0;
  await readItems(table, hashKey, prefix, undefined, (item) => {
    if (++groups <= limits.groupsMax) show(values, item);
  });
  if (groups > limits.groupsMax) return failedAnswer(`${groups} groups are more than can be shown`, "overload", false);
  const answer = newAnswer();
  answer.values = values;
  return answer;
}

function show(values: JsonObject, item: Item): void {
  let group = values;
  for (const name of JSON.parse(item.Path?.S ?? "[]") as string[]) {
    const known = Object.hasOwn(group, name) ? group[name] : undefined;
    const next = isObject(known) ? known : newObject();
    if (next !== known) setOwn(group, name, next);
    group = next;
  }
  for (const [name, { N }] of Object.entries(item)) {
    if (name.startsWith(NUMBER) && N !== undefined) setOwn(group, name.slice(NUMBER.length), Number(N));
  }
}
