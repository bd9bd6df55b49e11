/** Aggregations in memory: numbers in a tree of groups, and the tree as events see it. */
import { type JsonObject, newObject, setOwn } from "../core/event/json.ts";
import { type Fold, failedAnswer, newAnswer, type StateAnswer, updateNumber } from "../core/state/update.ts";

/** Clients choose groups and buckets: past so many numbers, or so many bytes, a store takes no new ones. */
export type TallyLimits = { numbersMax: number; bytesMax: number };

export type Tallies = {
  fold(fold: Fold): StateAnswer;
  /** everything under a key, as events see it */
  values(key: string): JsonObject;
  size(): { numbers: number; bytes: number };
};

type Node = {
  numbers: Map<string, number>;
  children: Map<string, Node> | undefined;
  /** what events see of it; undefined since something in it changed */
  shown: JsonObject | undefined;
};

type Tree = { roots: Map<string, Node>; numbers: number; bytes: number };

/** What V8 needs for a group or a bucket beside its name, about. */
const NODE_BYTES = 300;
const NUMBER_BYTES = 60;

const NOTHING = Object.freeze(newObject());
const DONE = Object.freeze(newAnswer());

export function newTallies(limits: TallyLimits): Tallies {
  const tree: Tree = { roots: new Map(), numbers: 0, bytes: 0 };
  return {
    fold: (fold) => foldInto(tree, limits, fold),
    values(key) {
      const root = tree.roots.get(key);
      return root === undefined ? NOTHING : shownOf(root);
    },
    size: () => ({ numbers: tree.numbers, bytes: tree.bytes }),
  };
}

// Everything is decided before anything is changed: an update that fails leaves nothing behind.
function foldInto(tree: Tree, limits: TallyLimits, fold: Fold): StateAnswer {
  const found = find(tree, fold);
  const growth = growthOf(fold, found);
  if (tree.numbers + growth.numbers > limits.numbersMax || tree.bytes + growth.bytes > limits.bytesMax) {
    return failedAnswer(`holds ${tree.numbers} groups and buckets and takes no new ones`, "overload", false);
  }
  const results: number[] = [];
  for (const number of fold.numbers) {
    const result = updateNumber(found.node?.numbers.get(number.name), number);
    if (!Number.isFinite(result)) return failedAnswer(`${fold.path[0]} would be beyond any number`, "error", false);
    results.push(result);
  }
  const node = found.node ?? grow(tree, fold);
  for (const [i, number] of fold.numbers.entries()) node.numbers.set(number.name, results[i] as number);
  for (const passed of found.way) passed.shown = undefined;
  tree.numbers += growth.numbers;
  tree.bytes += growth.bytes;
  return DONE;
}

/** The nodes on the way that are there already; `node` only when the whole way is. */
type Found = { way: Node[]; node: Node | undefined };

function find(tree: Tree, fold: Fold): Found {
  const way: Node[] = [];
  let node = tree.roots.get(fold.key);
  for (const name of fold.path) {
    if (node === undefined) return { way, node };
    way.push(node);
    node = node.children?.get(name);
  }
  if (node !== undefined) way.push(node);
  return { way, node };
}

function growthOf(fold: Fold, found: Found): { numbers: number; bytes: number } {
  let numbers = 0;
  let bytes = 0;
  if (found.way.length === 0) bytes += NODE_BYTES + fold.key.length * 2;
  for (const name of fold.path.slice(Math.max(found.way.length - 1, 0))) bytes += NODE_BYTES + name.length * 2;
  for (const number of fold.numbers) {
    if (found.node?.numbers.has(number.name)) continue;
    numbers++;
    bytes += NUMBER_BYTES + number.name.length * 2;
  }
  return { numbers, bytes };
}

function grow(tree: Tree, fold: Fold): Node {
  let node = childOf(tree.roots, fold.key);
  for (const name of fold.path) {
    node.children ??= new Map();
    node = childOf(node.children, name);
  }
  return node;
}

function childOf(children: Map<string, Node>, name: string): Node {
  let child = children.get(name);
  if (child === undefined) {
    child = { numbers: new Map(), children: undefined, shown: undefined };
    children.set(name, child);
  }
  return child;
}

// What did not change since it was last shown is shared with the events that have it.
function shownOf(node: Node): JsonObject {
  if (node.shown !== undefined) return node.shown;
  const shown = newObject();
  for (const [name, number] of node.numbers) setOwn(shown, name, number);
  for (const [name, child] of node.children ?? []) setOwn(shown, name, shownOf(child));
  node.shown = shown;
  return shown;
}
