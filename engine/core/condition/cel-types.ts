/**
 * What a part of a CEL condition can be, as far as that is known before any event: a set of kinds in the low eight bits
 * and, of lists and maps, the kinds of their elements in the next eight. What an event holds is JSON, whose numbers are
 * doubles; whole numbers (int, uint) come only from literals and size().
 */
export const Kind = { bool: 1, int: 2, uint: 4, double: 8, string: 16, null: 32, list: 64, map: 128 } as const;
export type Kinds = number;

const ELEMENTS = 8;
const OWN = 255;
const JSON_OWN = OWN & ~Kind.int & ~Kind.uint;
export const ANY_JSON: Kinds = JSON_OWN | (JSON_OWN << ELEMENTS);
export const NUMBERS: Kinds = Kind.int | Kind.uint | Kind.double;

export function own(kinds: Kinds): Kinds {
  return kinds & OWN;
}

/** A list of elements of these kinds (kind = Kind.list), or a map. */
export function containerOf(kind: number, elements: Kinds): Kinds {
  // Two levels are kept. Whole numbers further down count for this level too: it errs towards "could be".
  const deeper = (elements >> ELEMENTS) & (Kind.int | Kind.uint);
  return kind | ((own(elements) | deeper) << ELEMENTS);
}

/** The kinds of the elements; containers among them hold anything, but whole numbers only where there are some. */
export function elementsOf(kinds: Kinds): Kinds {
  const elements = (kinds >> ELEMENTS) & OWN;
  if ((elements & (Kind.list | Kind.map)) === 0) return elements;
  return elements | ((JSON_OWN | (elements & (Kind.int | Kind.uint))) << ELEMENTS);
}

/** Can these ever be equal? Numbers of all kinds are compared by value. */
export function canEqual(left: Kinds, right: Kinds): boolean {
  return (own(left) & own(right)) !== 0 || ((left & NUMBERS) !== 0 && (right & NUMBERS) !== 0);
}

/** The kinds in words: "a string", "a double or a string"; "a value" for anything. */
export function kindNames(kinds: Kinds): string {
  const names: string[] = [];
  const all = Object.keys(Kind);
  for (let i = 0; i < all.length; i++) {
    const name = all[i] as keyof typeof Kind;
    if ((kinds & Kind[name]) !== 0) names.push(name === "null" ? name : name === "int" ? "an int" : `a ${name}`);
  }
  return names.length > 3 ? "a value" : names.join(" or ");
}

const TEXT: Kinds = Kind.string;
const TEXTS = containerOf(Kind.map, Kind.string);

/** The host's context (http.md, "Context"): of a message, and of a response's request under `request`. */
const REQUEST: { [member: string]: Kinds } = {
  method: TEXT,
  path: TEXT,
  query: TEXTS,
  host: TEXT,
  scheme: TEXT,
  requestId: TEXT,
  headers: TEXTS,
};
const MESSAGE: { [member: string]: Kinds } = Object.assign(
  { direction: TEXT, route: TEXT, status: Kind.double, request: containerOf(Kind.map, ANY_JSON) },
  REQUEST,
);

/** The members of `http` (or of `http.request`). */
export function httpMembers(ofRequest: boolean): { readonly [member: string]: Kinds } {
  return ofRequest ? REQUEST : MESSAGE;
}
