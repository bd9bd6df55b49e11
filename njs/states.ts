/**
 * Aggregations of one host, in a zone that its workers share: one number per key. Sums and counts are one atomic `incr`.
 * Largest and smallest take a lock of their own, since a zone compares nothing.
 */
import { isObject, type JsonObject, newObject, setOwn } from "../engine/core/event/json.ts";
import type { States } from "../engine/core/ports.ts";
import {
  type Fold,
  type NumberUpdate,
  newAnswer,
  type StateAnswer,
  updateNumber,
} from "../engine/core/state/update.ts";
import type { Zones } from "./file.ts";
import type { SharedDict } from "./nginx.ts";

export function nginxStates(zones: Zones): States {
  return { update: (_store, update) => fold(zones.state, update as Fold) };
}

function fold(state: SharedDict<number>, update: Fold): StateAnswer {
  const answer = newAnswer();
  const at = JSON.stringify([update.key].concat(update.path)).slice(0, -1);
  try {
    for (let i = 0; i < update.numbers.length; i++) {
      const number = update.numbers[i] as NumberUpdate;
      const key = `${at},${JSON.stringify(number.name)}]`;
      if (number.operator === "add") state.incr(key, number.operand, 0);
      else extend(state, key, number);
    }
  } catch {
    answer.error = "the zone is full";
    answer.reason = "overload";
    return answer;
  }
  if (update.reads) answer.values = readValues(state, update.key);
  return answer;
}

/** Tries for the lock: others hold it for a microsecond, and one whose worker died must not stop the traffic. */
const TRIES_MAX = 10_000;

function extend(state: SharedDict<number>, key: string, number: NumberUpdate): void {
  const lock = `lock ${key}`;
  for (let i = 0; i < TRIES_MAX; i++) if (state.add(lock, 1)) break;
  state.set(key, updateNumber(state.get(key), number));
  state.delete(lock);
}

/** Keys that one answer looks through. */
const ITEMS_MAX = 100_000;

function readValues(state: SharedDict<number>, key: string): JsonObject {
  const values = newObject();
  const prefix = `[${JSON.stringify(key)},`;
  const items = state.items(ITEMS_MAX);
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as [string, number];
    if (item[0].startsWith(prefix)) setAt(values, JSON.parse(item[0]) as string[], item[1]);
  }
  return values;
}

// The first name is the aggregation's key.
function setAt(values: JsonObject, names: readonly string[], value: number): void {
  let object = values;
  for (let i = 1; i < names.length - 1; i++) {
    const name = names[i] as string;
    const inner = object[name];
    const next = isObject(inner) ? inner : newObject();
    setOwn(object, name, next);
    object = next;
  }
  setOwn(object, names[names.length - 1] as string, value);
}
