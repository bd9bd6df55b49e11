/**
 * How much work a backtracking engine can be made to do by the worst text of n characters: a polynomial in n, an upper
 * bound. "No nested quantifiers" would not do: `x+$` has none and is quadratic, and so is `a?a?a?…aaa` exponential.
 *
 * The bound is computed from the back: what it costs to try everything that follows, at one position, until it fails.
 * A repetition may hand back its characters one by one, and each time all that follows is tried again; but where what
 * follows cannot begin with a character that repeats, each of those tries ends at its first character.
 */
import { areDisjoint, type Ranges, union } from "./pattern-classes.ts";
import { BEGIN_TEXT, type Node } from "./pattern-syntax.ts";

/** c[0] + c[1]·n + c[2]·n² + c[3]·n³ */
export type Work = readonly [number, number, number, number];

/** What follows at some place of the pattern. */
type Rest = {
  /** work of trying it at one position until it fails */
  work: Work;
  /** characters it can begin with */
  first: Ranges;
  /** it can match without taking a character */
  nullable: boolean;
  /** tests that turn away a character it cannot begin with */
  heads: number;
};

/** The end of the pattern: whoever gets here has matched, and is never asked for another way. */
const ACCEPT: Rest = { work: [0, 0, 0, 0], first: [], nullable: true, heads: 0 };

/** The bound for all start positions together, or undefined where there is none of degree 3. */
export function worstWork(pattern: Node): Work | undefined {
  const whole = before(pattern, ACCEPT);
  const work = whole && allStarts(pattern, whole.work);
  return work?.every(Number.isFinite) ? work : undefined;
}

function allStarts(pattern: Node, once: Work): Work {
  const [c0, c1, c2, c3] = once;
  if (isAnchored(pattern)) return once;
  // An attempt goes no further than the next character that another could begin at: together they read the text once.
  if (startsApart(pattern)) return [0, 1 + c0 + c1, c2, c3];
  return plus(once, timesLength(plus(once, [1, 0, 0, 0])));
}

export function workOn(work: Work, length: number): number {
  return work[0] + length * (work[1] + length * (work[2] + length * work[3]));
}

function before(node: Node, rest: Rest): Rest | undefined {
  switch (node.kind) {
    case "class":
      return { work: plus(rest.work, [1, 0, 0, 0]), first: node.ranges, nullable: false, heads: 1 };
    case "assertion":
      return { ...rest, work: plus(rest.work, [1, 0, 0, 0]), heads: rest.heads + 1 };
    case "group":
      return before(node.node, rest);
    case "sequence":
      return node.nodes.reduceRight<Rest | undefined>((after, part) => after && before(part, after), rest);
    case "choice":
      return node.nodes.map((part) => before(part, rest)).reduce(either);
    case "repeat":
      return beforeRepeat(node, rest);
  }
}

function either(a: Rest | undefined, b: Rest | undefined): Rest | undefined {
  if (a === undefined || b === undefined) return undefined;
  const heads = a.heads + b.heads;
  const work = excludes(a, b) ? plus(atMost(a.work, b.work), [heads, 0, 0, 0]) : plus(a.work, b.work);
  return { work, first: union(a.first, b.first), nullable: a.nullable || b.nullable, heads };
}

/** One character tells which of the two it is. */
function excludes(a: Rest, b: Rest): boolean {
  return !a.nullable && !b.nullable && areDisjoint(a.first, b.first);
}

function beforeRepeat(node: Extract<Node, { kind: "repeat" }>, rest: Rest): Rest | undefined {
  const once = before(node.node, ACCEPT);
  // An empty turn ends JavaScript's loop and not RE2's, and a new turn forgets JavaScript's groups.
  if (once === undefined || once.nullable) return undefined;
  if (node.max > 1 && hasCaptures(node.node)) return undefined;
  const work = repeatWork(node, once, rest);
  if (work === undefined) return undefined;
  if (node.min > 0) return { work, first: once.first, nullable: false, heads: once.heads };
  const first = union(once.first, rest.first);
  return { work, first, nullable: rest.nullable, heads: once.heads + rest.heads };
}

function repeatWork(node: Extract<Node, { kind: "repeat" }>, once: Rest, rest: Rest): Work | undefined {
  // The least is taken; then whatever comes, it matches.
  if (rest === ACCEPT && isRigid(node.node)) return times(plus(once.work, [1, 0, 0, 0]), node.min + 1);
  if (isRigid(node.node)) return rigidWork(node, once, rest);
  if (node.max === Number.POSITIVE_INFINITY) return undefined;
  let after: Rest | undefined = rest;
  for (let i = 0; i < node.max; i++) {
    const turn: Rest | undefined = after && before(node.node, after);
    after = i < node.max - node.min ? either(turn, rest) : turn;
    if (after !== undefined && workOn(after.work, 1) > UNBOUNDED) return undefined;
  }
  return after?.work;
}

const UNBOUNDED = 1e9;

/** Turns that can each match in one way only: taken once, then handed back one by one. */
function rigidWork(node: Extract<Node, { kind: "repeat" }>, once: Rest, rest: Rest): Work {
  const isBounded = node.max !== Number.POSITIVE_INFINITY;
  // Without a bound, each of n characters is read once by some turn; the turn that fails comes on top.
  const turns: Work = isBounded ? times(plus(once.work, [1, 0, 0, 0]), node.max + 1) : plus(once.work, [0, 2, 0, 0]);
  const turnedAway: Work = isBounded ? [node.max * rest.heads, 0, 0, 0] : [0, rest.heads, 0, 0];
  if (excludes(once, rest)) return plus(plus(turns, turnedAway), rest.work);
  const tries = isBounded ? times(rest.work, node.max - node.min + 1) : plus(rest.work, timesLength(rest.work));
  return plus(turns, tries);
}

/** True when a position decides how the node matches there: no choice that two branches could take, no free repetition. */
function isRigid(node: Node): boolean {
  switch (node.kind) {
    case "class":
    case "assertion":
      return true;
    case "group":
      return isRigid(node.node);
    case "sequence":
      return node.nodes.every(isRigid);
    case "repeat":
      return node.min === node.max && isRigid(node.node);
    case "choice":
      return node.nodes.every(isRigid) && node.nodes.every((part, i) => node.nodes.slice(i + 1).every(isApart(part)));
  }
}

function isApart(part: Node): (other: Node) => boolean {
  const a = before(part, ACCEPT);
  return (other) => {
    const b = before(other, ACCEPT);
    return a !== undefined && b !== undefined && excludes(a, b);
  };
}

function hasCaptures(node: Node): boolean {
  if (node.kind === "group") return node.captures || hasCaptures(node.node);
  if (node.kind === "repeat") return hasCaptures(node.node);
  return (node.kind === "sequence" || node.kind === "choice") && node.nodes.some(hasCaptures);
}

function isAnchored(node: Node): boolean {
  if (node.kind === "assertion") return node.source === BEGIN_TEXT;
  if (node.kind === "group") return isAnchored(node.node);
  if (node.kind === "choice") return node.nodes.every(isAnchored);
  const head = node.kind === "sequence" ? node.nodes[0] : undefined;
  return head !== undefined && isAnchored(head);
}

/** The character that the pattern begins with can stand nowhere else in a match. */
function startsApart(pattern: Node): boolean {
  if (pattern.kind !== "sequence") return false;
  const [head, ...others] = pattern.nodes;
  return head?.kind === "class" && others.every((node) => areDisjoint(head.ranges, charactersOf(node)));
}

function charactersOf(node: Node): Ranges {
  if (node.kind === "class") return node.ranges;
  if (node.kind === "group" || node.kind === "repeat") return charactersOf(node.node);
  return node.kind === "assertion" ? [] : node.nodes.map(charactersOf).reduce(union, []);
}

function plus(a: Work, b: Work): Work {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]];
}

function atMost(a: Work, b: Work): Work {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

function times(a: Work, factor: number): Work {
  return [a[0] * factor, a[1] * factor, a[2] * factor, a[3] * factor];
}

// Past n³ everything is too much: Infinity stays so.
function timesLength(a: Work): Work {
  return [0, a[0], a[1], a[3] === 0 ? a[2] : Number.POSITIVE_INFINITY];
}
