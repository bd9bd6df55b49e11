/**
 * Values that wait for their join keys, in a DynamoDB table: one item each, read, advanced (core/state/completion.ts) and
 * written on the condition that nobody else did in between. The item also keeps the answers it gave, by id: who did not
 * hear his asks again and gets the same, also when he was the one who completed it. The table's time to live, on Expires,
 * removes what is over.
 */
import { setTimeout as delay } from "node:timers/promises";
import { advance, isLate, type Pending } from "../core/state/completion.ts";
import { type CompletionStatus, failedAnswer, type Join, newAnswer, type StateAnswer } from "../core/state/update.ts";
import { type Cap, newCap } from "./cap.ts";
import {
  conditionFailed,
  type Item,
  type Key,
  readItem,
  stateKeyOf,
  type Table,
  tableFailure,
} from "./dynamo-table.ts";
import { isSystemError } from "./failure.ts";

export type CompletionLimits = {
  /** values that wait by the hand of one process */
  pendingMax: number;
  /** how long a value is kept after its deadline or, without one, after it was last seen */
  keptMs: number;
  /** how long a value that is complete answers those who ask again */
  answersMs: number;
};

export const COMPLETION_LIMITS: CompletionLimits = {
  pendingMax: 100_000,
  keptMs: 24 * 60 * 60 * 1000,
  answersMs: 10 * 60 * 1000,
};

/** The last ones; more events of one value within the time of a retry are unheard of. */
const ANSWERS_MAX = 32;
const ATTEMPTS_MAX = 100;
const BACKOFF_MS = 50;

type Given = { id: string; status: CompletionStatus; deadlineMs: number };
type Record = { pending: Pending | undefined; answers: Given[] };

export function dynamoCompletions(
  table: Table,
  limits: CompletionLimits,
  nowMs: () => number,
): (join: Join) => Promise<StateAnswer> {
  const waiting = newCap(limits.pendingMax, limits.keptMs);
  return async (join) => {
    const Key = stateKeyOf(table, join.key);
    if (isSystemError(Key)) return failedAnswer(`${Key.message}; a partitionUuid makes it longer`, "error", false);
    try {
      return await joinInto(table, limits, nowMs, waiting, Key, join);
    } catch (thrown) {
      const { message, retryable } = tableFailure(table, "joining in", thrown);
      return failedAnswer(message, "error", retryable);
    }
  };
}

async function joinInto(
  table: Table,
  limits: CompletionLimits,
  nowMs: () => number,
  waiting: Cap,
  Key: Key,
  join: Join,
): Promise<StateAnswer> {
  const name = Key.ValueKey.S;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const item = await readItem(table, Key);
    const record = recordOf(item, nowMs());
    const given = record.answers.find(({ id }) => id === join.id);
    if (given !== undefined) return answerOf(given);
    const { pending, answer } = advance(record.pending, join, nowMs());
    if (pending !== undefined && !waiting.admits(name, nowMs())) {
      return failedAnswer(
        `${limits.pendingMax} values of this process wait and it takes no new ones`,
        "overload",
        false,
      );
    }
    const mine: Given = { id: join.id, status: answer.status ?? "triggered", deadlineMs: answer.deadlineMs };
    const answers = [...record.answers, mine].slice(-ANSWERS_MAX);
    if (await write(table, Key, item, { pending, answers }, expiry(pending, limits, nowMs()))) {
      if (pending === undefined) waiting.release(name);
      return answer;
    }
    await delay(Math.random() * Math.min(BACKOFF_MS, 2 ** attempt));
  }
  return failedAnswer("others are always faster with the same value", "error", true);
}

function recordOf(item: Item | undefined, nowMs: number): Record {
  // The table removes what is over within days, not at once.
  if (item?.Value?.B === undefined || Number(item.Expires?.N) * 1000 < nowMs)
    return { pending: undefined, answers: [] };
  return JSON.parse(Buffer.from(item.Value.B).toString("utf8")) as Record; // written below
}

function answerOf({ status, deadlineMs }: Given): StateAnswer {
  return Object.assign(newAnswer(), { status, deadlineMs });
}

function expiry(pending: Pending | undefined, limits: CompletionLimits, nowMs: number): number {
  if (pending === undefined) return nowMs + limits.answersMs;
  return (pending.deadlineMs === -1 || isLate(pending, nowMs) ? nowMs : pending.deadlineMs) + limits.keptMs;
}

/** false: somebody else was faster, or our own first try was, which the next look finds out. */
async function write(
  table: Table,
  Key: Key,
  before: Item | undefined,
  record: Record,
  expiresMs: number,
): Promise<boolean> {
  const version = before?.Version?.N;
  const Item: Item = {
    ...Key,
    Value: { B: Buffer.from(JSON.stringify(record)) },
    Version: { N: String(Number(version ?? 0) + 1) },
    Expires: { N: String(Math.ceil(expiresMs / 1000)) },
  };
  const condition =
    version === undefined
      ? { ConditionExpression: "attribute_not_exists(ValueKey)" }
      : { ConditionExpression: "Version = :version", ExpressionAttributeValues: { ":version": { N: version } } };
  try {
    await table.client.send(new table.library.PutItemCommand({ TableName: table.name, Item, ...condition }));
    return true;
  } catch (thrown) {
    if (conditionFailed(thrown) !== undefined) return false;
    throw thrown;
  }
}
