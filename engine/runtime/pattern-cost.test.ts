import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fastPattern } from "./fast-pattern.ts";
import { workOn, worstWork } from "./pattern-cost.ts";
import { type Node, readPattern } from "./pattern-syntax.ts";

/** [pattern, up to which length JavaScript's engine may have it: all, some, none] */
const TABLE: readonly (readonly [string, "all" | "some" | "none"])[] = [
  ["secret", "all"],
  ["foo|bar|baz", "all"],
  ["(?i)password", "all"],
  ["\\d", "all"],
  ["\\d+", "all"],
  ["[0-9]{13,19}", "all"],
  ["^[a-z]+-[0-9]+$", "all"],
  ["^(?:[a-z]+,)?x", "all"],
  ["password=[^&]*", "all"],
  ["\\([^()]*\\)", "all"],
  ["(\\w)(\\w+)", "all"],
  ["(?:ab)+", "all"],
  ["x+$", "some"],
  ["\\s+$", "some"],
  ["x*y|x", "some"],
  ["<[^>]*>", "some"],
  ["\\w+@\\w+\\.com", "some"],
  ["[a-z]{0,60}1", "some"],
  ["a?a?a?a?aaaa", "some"],
  ["a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaa", "none"],
  ["(?:a?){30}a{30}", "none"],
  ["(a+)+$", "none"],
  ["(?:a|a)*b", "none"],
  ["(?:a*)*", "none"],
  ["(?:a|b|ab)*c", "none"],
  [".*.*.*.*x", "none"],
  ["(?:[a-z]{1,30}){1,30}1", "none"],
  ["[a-z]{1000}1", "none"],
];

describe("JavaScript's engine gets", () => {
  test.each(TABLE)("%s: %s", (pattern, expected) => {
    const textMax = fastPattern(pattern)?.textMax ?? 0;
    expect(textMax === 0 ? "none" : textMax < 65_536 ? "some" : "all").toBe(expected);
  });
});

type Steps = { count: number };
type Go = (pos: number) => number;

/** A backtracking matcher that counts its tests of characters and assertions; -1: no match. */
function tryAt(node: Node, text: string, pos: number, steps: Steps, go: Go): number {
  switch (node.kind) {
    case "class": {
      steps.count++;
      const code = text.charCodeAt(pos);
      for (let i = 0; i < node.ranges.length; i += 2) {
        if (code >= (node.ranges[i] as number) && code <= (node.ranges[i + 1] as number)) return go(pos + 1);
      }
      return -1;
    }
    case "assertion":
      steps.count++;
      return (node.source === "^" ? pos === 0 : pos === text.length) ? go(pos) : -1;
    case "group":
      return tryAt(node.node, text, pos, steps, go);
    case "sequence":
      return node.nodes.reduceRight<Go>((next, part) => (at) => tryAt(part, text, at, steps, next), go)(pos);
    case "choice":
      for (const part of node.nodes) {
        const end = tryAt(part, text, pos, steps, go);
        if (end !== -1) return end;
      }
      return -1;
    case "repeat":
      return tryTurns(node, 0, text, pos, steps, go);
  }
}

function tryTurns(
  node: Extract<Node, { kind: "repeat" }>,
  done: number,
  text: string,
  pos: number,
  steps: Steps,
  go: Go,
): number {
  const more = () =>
    done < node.max ? tryAt(node.node, text, pos, steps, (at) => tryTurns(node, done + 1, text, at, steps, go)) : -1;
  if (done < node.min) return more();
  const end = node.greedy ? more() : go(pos);
  if (end !== -1) return end;
  return node.greedy ? go(pos) : more();
}

function stepsOfAll(node: Node, text: string, isAnchored: boolean): number {
  const steps = { count: 0 };
  for (let pos = 0; pos <= text.length; ) {
    const end = tryAt(node, text, pos, steps, (at) => at);
    if (isAnchored) break;
    pos = end > pos ? end : pos + 1;
  }
  return steps.count;
}

const { pattern } = fc.letrec<{ pattern: string; piece: string }>((tie) => ({
  pattern: fc
    .array(
      fc.array(tie("piece"), { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
      { minLength: 1, maxLength: 3 },
    )
    .map((parts) => parts.join("|")),
  piece: fc
    .tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "c", "$") },
        { weight: 1, arbitrary: tie("pattern").map((inner) => `(?:${inner})`) },
      ),
      fc.constantFrom("", "", "", "*", "+", "?", "*?", "{2}", "{0,3}", "{1,2}?", "{2,}"),
    )
    .map(([atom, repeat]) => atom + repeat),
}));

test("no text makes a backtracker do more than the bound says", () => {
  let bounded = 0;
  const texts = fc.tuple(
    fc.constantFrom("a", "ab", "aab", "b", "abc"),
    fc.integer({ min: 0, max: 12 }),
    fc.constantFrom("", "a", "c", "!"),
  );
  fc.assert(
    fc.property(
      fc.constantFrom("", "^"),
      pattern,
      fc.array(texts, { minLength: 4, maxLength: 8 }),
      (anchor, source, made) => {
        const node = readPattern(anchor === "" ? source : `^(?:${source})`);
        const work = node && worstWork(node);
        if (node === undefined || work === undefined) return;
        bounded++;
        for (const [unit, count, end] of made) {
          const text = unit.repeat(count) + end;
          // What a match takes at its end is not work in vain: the text is read by it once.
          const most = workOn(work, text.length) + 2 * text.length + 2;
          expect(stepsOfAll(node, text, anchor !== ""), text).toBeLessThanOrEqual(most);
        }
      },
    ),
    { numRuns: Number(process.env.AGGLO_FUZZ_RUNS ?? 4000) },
  );
  expect(bounded).toBeGreaterThan(1000);
});
