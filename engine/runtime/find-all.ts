/**
 * Every match of a pattern in one text, on re2js's program, in time linear in the text as a whole. re2js itself is
 * linear in each search only: `x*y|x` looks through all of a row of x before it takes the first, and again for the
 * second; 10,000 of them took 0.9 s, here 8 ms.
 *
 * A backtracker (RE2's bitstate.cc) that remembers for the whole text from which instruction at which position no match
 * can be reached. That does not depend on how one got there, so it stays true from one search to the next.
 */

/** What we use of re2js's program (its src/Inst.js, src/Prog.js; the version is pinned). */
type Instruction = {
  op: number;
  out: number;
  arg: number;
  matchRune(rune: number): boolean;
};
export type Program = { inst: readonly Instruction[]; start: number; numCap: number };

const Op = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  emptyWidth: 4,
  fail: 5,
  match: 6,
  nop: 7,
  rune: 8,
  rune1: 9,
  runeAny: 10,
  runeAnyNotNl: 11,
} as const;

/** Conditions of `emptyWidth` (re2js, Utils.EMPTY_*). */
const Empty = { beginLine: 1, endLine: 2, beginText: 4, endText: 8, wordBoundary: 16, noWordBoundary: 32 } as const;

export type Finder = {
  program: Program;
  /** number of each instruction that several others lead to, -1 for the rest: to remember these will do */
  joins: Int32Array;
  joinCount: number;
  /** literal text that every match begins with */
  prefix: string;
};

export function newFinder(program: Program, prefix: string): Finder {
  const led = new Int32Array(program.inst.length);
  led[program.start] = 1;
  for (const { op, out, arg } of program.inst) {
    if (op === Op.match || op === Op.fail) continue;
    led[out] = (led[out] as number) + 1;
    if (op === Op.alt || op === Op.altMatch) led[arg] = (led[arg] as number) + 1;
  }
  const joins = new Int32Array(led.length).fill(-1);
  let joinCount = 0;
  for (let pc = 0; pc < led.length; pc++) if ((led[pc] as number) > 1) joins[pc] = joinCount++;
  return { program, joins, joinCount, prefix };
}

/** 32 MiB of memory for one text; past that only re2js's own search is left. */
const REMEMBERED_BITS_MAX = 2 ** 28;

export function canFindAll(finder: Finder, text: string): boolean {
  return finder.joinCount * (text.length + 1) <= REMEMBERED_BITS_MAX;
}

type Search = {
  finder: Finder;
  text: string;
  /** bit position × joinCount + join: no match from here */
  failed: Uint32Array;
  /** bits set on the way to where the search stands */
  trail: number[];
  /** three numbers each: instruction (or -1 - slot of `caps` to restore), position (or its old value), trail's length */
  pending: number[];
  /** start and end of each group, -1 where it took no part */
  caps: Int32Array;
};

/** Calls back with the groups of each match, from left to right; they are overwritten afterwards. */
export function findAll(finder: Finder, text: string, onMatch: (caps: Int32Array) => void): void {
  const words = (finder.joinCount * (text.length + 1) + 31) >>> 5;
  const search: Search = {
    finder,
    text,
    failed: new Uint32Array(words),
    trail: [],
    pending: [],
    caps: new Int32Array(finder.program.numCap),
  };
  for (let pos = 0; pos <= text.length; ) {
    if (finder.prefix !== "") {
      pos = text.indexOf(finder.prefix, pos);
      if (pos === -1) return;
    }
    if (!matchAt(search, pos)) {
      pos += widthAt(text, pos);
      continue;
    }
    onMatch(search.caps);
    const end = search.caps[1] as number;
    pos = end === pos ? end + widthAt(text, end) : end;
  }
}

function widthAt(text: string, pos: number): number {
  return (text.codePointAt(pos) ?? 0) > 0xffff ? 2 : 1;
}

function matchAt(search: Search, start: number): boolean {
  const { pending, trail, caps } = search;
  caps.fill(-1);
  caps[0] = start;
  trail.length = 0;
  pending.length = 0;
  pending.push(search.finder.program.start, start, 0);
  while (pending.length > 0) {
    const length = pending.pop() as number;
    const pos = pending.pop() as number;
    const pc = pending.pop() as number;
    if (pc < 0) {
      caps[-1 - pc] = pos;
      continue;
    }
    trail.length = length;
    const end = follow(search, pc, pos);
    if (end === -1) continue;
    caps[1] = end;
    forget(search, end);
    return true;
  }
  return false;
}

/** Goes on from one instruction until a match (its end) or a dead end (-1), leaving other ways pending. */
function follow(search: Search, from: number, at: number): number {
  const { finder, text, pending, caps, trail } = search;
  const { joins, joinCount, program } = finder;
  let pc = from;
  let pos = at;
  for (;;) {
    const join = joins[pc] as number;
    if (join !== -1 && !enter(search, pos * joinCount + join)) return -1;
    const inst = program.inst[pc] as Instruction;
    switch (inst.op) {
      case Op.alt:
      case Op.altMatch:
        pending.push(inst.arg, pos, trail.length);
        break;
      case Op.capture:
        if (inst.arg < caps.length) {
          pending.push(-1 - inst.arg, caps[inst.arg] as number, 0);
          caps[inst.arg] = pos;
        }
        break;
      case Op.emptyWidth:
        if (!holdsAt(text, pos, inst.arg)) return -1;
        break;
      case Op.match:
        return pos;
      case Op.nop:
        break;
      case Op.fail:
        return -1;
      default: {
        if (pos === text.length) return -1;
        const rune = text.codePointAt(pos) as number;
        if (!takes(inst, rune)) return -1;
        pos += rune > 0xffff ? 2 : 1;
      }
    }
    pc = inst.out;
  }
}

function takes(inst: Instruction, rune: number): boolean {
  if (inst.op === Op.runeAny) return true;
  return inst.op === Op.runeAnyNotNl ? rune !== 0x0a : inst.matchRune(rune);
}

/** False where the search has been before. */
function enter(search: Search, bit: number): boolean {
  const word = bit >>> 5;
  const mask = 1 << (bit & 31);
  const before = search.failed[word] as number;
  if ((before & mask) !== 0) return false;
  search.failed[word] = before | mask;
  search.trail.push(bit);
  return true;
}

/**
 * After a match: what lies on its way has not failed. Nor, perhaps, has what was tried at its end: an empty loop may
 * have been cut short there because it led back to the way itself.
 */
function forget(search: Search, end: number): void {
  const { failed, trail, finder } = search;
  for (const bit of trail) failed[bit >>> 5] = (failed[bit >>> 5] as number) & ~(1 << (bit & 31));
  const first = end * finder.joinCount;
  for (let bit = first; bit < first + finder.joinCount; bit++) {
    failed[bit >>> 5] = (failed[bit >>> 5] as number) & ~(1 << (bit & 31));
  }
}

function holdsAt(text: string, pos: number, conditions: number): boolean {
  const before = pos === 0 ? -1 : text.charCodeAt(pos - 1);
  const after = pos === text.length ? -1 : text.charCodeAt(pos);
  let held = isWord(before) === isWord(after) ? Empty.noWordBoundary : Empty.wordBoundary;
  if (before === -1) held |= Empty.beginText | Empty.beginLine;
  if (before === 0x0a) held |= Empty.beginLine;
  if (after === -1) held |= Empty.endText | Empty.endLine;
  if (after === 0x0a) held |= Empty.endLine;
  return (conditions & ~held) === 0;
}

function isWord(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f
  );
}
