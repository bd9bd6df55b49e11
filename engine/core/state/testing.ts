/** A store of state for tests of the core: answers at once, forgets nothing, knows no caps. */
import { isObject, type JsonObject, type JsonValue, newObject } from "../event/json.ts";
import { advance, type Pending } from "./completion.ts";
import { type Fold, newAnswer, type StateAnswer, type StateUpdate, updateNumber } from "./update.ts";

export type TestStore = {
  update(update: StateUpdate): StateAnswer;
  aggregations: { [key: string]: JsonObject };
  pending: { [key: string]: Pending };
};

export function testStore(nowMs: () => number): TestStore {
  const aggregations: TestStore["aggregations"] = {};
  const pending: TestStore["pending"] = {};
  const answers = new Map<string, StateAnswer>();
  const decide = (update: StateUpdate): StateAnswer => {
    if (update.kind === "fold") {
      aggregations[update.key] = folded(aggregations[update.key] ?? newObject(), update);
      return newAnswer();
    }
    const advanced = advance(pending[update.key], update, nowMs());
    if (advanced.pending === undefined) delete pending[update.key];
    else pending[update.key] = advanced.pending;
    return advanced.answer;
  };
  return {
    aggregations,
    pending,
    update(update) {
      const known = answers.get(update.id);
      const answer = known ?? decide(update);
      if (known === undefined && (update.kind === "join" || update.numbers.length > 0)) answers.set(update.id, answer);
      if (update.kind !== "fold" || !update.reads) return answer;
      return { ...answer, values: aggregations[update.key] ?? newObject() };
    },
  };
}

function folded(values: JsonObject, update: Fold): JsonObject {
  if (update.numbers.length === 0) return values;
  const copy = deepCopy(values);
  let item = copy;
  for (const name of update.path) {
    const next = Object.hasOwn(item, name) ? item[name] : undefined;
    item[name] = isObject(next) ? next : newObject();
    item = item[name];
  }
  for (const number of update.numbers) {
    const before = item[number.name];
    item[number.name] = updateNumber(typeof before === "number" ? before : undefined, number);
  }
  return copy;
}

function deepCopy(object: JsonObject): JsonObject {
  const copy = newObject();
  for (const key of Object.keys(object)) {
    const value = object[key] as JsonValue;
    copy[key] = isObject(value) ? deepCopy(value) : value;
  }
  return copy;
}
