/**
 * Chains of literal keys in a CEL condition: `event.items[0]["x.y"]`, `http.headers["x-env"]`, `internal["risk"].score`.
 * Each is one operation, and what it reads of the reserved keys is noted, because a section's needs follow from it.
 */
import { isReservedKey } from "../event/event.ts";
import { HTTP_KEY } from "../processes/reserved.ts";
import { type CelCompiler, celComplain } from "./cel-compiler.ts";
import type { Walk } from "./cel-evaluate.ts";
import type { CelNode } from "./cel-parse.ts";
import { ANY_JSON, containerOf, elementsOf, httpMembers, Kind, type Kinds, kindNames, NUMBERS } from "./cel-types.ts";

const ROOTS = ["event", "http", "internal"];
const ROOTS_REMEDY =
  'a condition begins at event, http or internal; a key that is no name goes in brackets: event["x-y"]';

type Found = { walk: Walk; kinds: Kinds };

/** Whether a node is a name followed by literal keys alone. */
export function isChain(node: CelNode): boolean {
  let at = node;
  while (at.kind === "select" || (at.kind === "index" && isKey(at.args[1] as CelNode))) at = at.args[0] as CelNode;
  return at.kind === "name";
}

function isKey(node: CelNode): boolean {
  return node.kind === "literal" && (node.type & (Kind.string | NUMBERS)) !== 0;
}

/** The walk of a chain; undefined when it leads nowhere, which has been complained about. */
export function findWalk(cel: CelCompiler, node: CelNode): Found | undefined {
  const keys: (string | number)[] = [];
  let at = node;
  while (at.kind !== "name") {
    const key = at.kind === "select" ? at.text : (at.args[1] as CelNode).value;
    if (typeof key === "number" && !(Number.isInteger(key) && key >= 0))
      return wrong(cel, at.args[1] as CelNode, "an index is a whole number from 0", "");
    keys.unshift(key as string | number); // isChain has seen to it
    at = at.args[0] as CelNode;
  }
  if (at.text === "event") return findInEvent(cel, node, keys);
  if (at.text === "http") return findInHttp(cel, node, keys);
  if (at.text === "internal") return findReserved(cel, node, keys);
  return wrong(cel, at, `there is no variable ${at.text}`, cel.compiler.suggest(at.text, ROOTS) || ROOTS_REMEDY);
}

function wrong(cel: CelCompiler, node: CelNode, message: string, remedy: string): undefined {
  celComplain(cel, node.start, node.end, message, remedy);
}

function newWalk(cel: CelCompiler, node: CelNode, side: boolean, keys: (string | number)[]): Walk {
  return { side, keys, missing: `${cel.source.slice(node.start, node.end)} is not there` };
}

function findInEvent(cel: CelCompiler, node: CelNode, keys: (string | number)[]): Found | undefined {
  const first = keys[0];
  // A body's own `internal:…` members answer no question (docs/adr/0002).
  if (typeof first === "string" && isReservedKey(first))
    return wrong(
      cel,
      node,
      "reserved keys are not in the event",
      `write internal["${first.slice("internal:".length)}"]`,
    );
  return {
    walk: newWalk(cel, node, false, keys),
    kinds: keys.length === 0 ? containerOf(Kind.map, ANY_JSON) : ANY_JSON,
  };
}

function findReserved(cel: CelCompiler, node: CelNode, keys: (string | number)[]): Found | undefined {
  const first = keys[0];
  if (typeof first !== "string" || isReservedKey(first))
    return wrong(cel, node, "a reserved key goes without its internal:", 'write internal["risk"] for internal:risk');
  if (first === "http") return findInHttp(cel, node, keys.slice(1));
  const path = [`internal:${first}` as string | number].concat(keys.slice(1));
  cel.compiler.reads.push(path.join("."));
  return { walk: newWalk(cel, node, true, path), kinds: ANY_JSON };
}

function findInHttp(cel: CelCompiler, node: CelNode, keys: (string | number)[]): Found | undefined {
  const ofRequest = keys[0] === "request" && keys.length > 1;
  const names = ofRequest ? keys.slice(1) : keys;
  const members = httpMembers(ofRequest);
  const name = names[0];
  let kinds: Kinds | undefined = containerOf(Kind.map, ANY_JSON);
  if (name !== undefined) {
    kinds = typeof name === "string" && Object.keys(members).indexOf(name) !== -1 ? members[name] : undefined;
    if (kinds === undefined) {
      const known = Object.keys(members);
      const remedy = cel.compiler.suggest(String(name), known) || `known here: ${known.join(", ")}`;
      return wrong(cel, node, `http${ofRequest ? ".request" : ""} has no member ${name}`, remedy);
    }
  }
  for (let i = 1; i < names.length; i++) {
    const key = names[i] as string | number;
    if ((kinds & (typeof key === "string" ? Kind.map : Kind.list)) === 0)
      return wrong(cel, node, `${String(names[i - 1])} is ${kindNames(kinds)}, which has no ${String(key)}`, "");
    if (name === "headers" && i === 1 && typeof key === "string" && key !== key.toLowerCase())
      return wrong(cel, node, "names of headers come in lower case", `write "${key.toLowerCase()}"`);
    kinds = elementsOf(kinds);
  }
  const path = [HTTP_KEY as string | number].concat(keys);
  cel.compiler.reads.push(path.join("."));
  return { walk: newWalk(cel, node, true, path), kinds };
}
