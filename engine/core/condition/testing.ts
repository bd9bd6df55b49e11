/** Asking a CEL condition in tests. */
import { eventOf } from "../event/event.ts";
import type { JsonObject } from "../event/json.ts";
import type { Pattern } from "../ports.ts";
import { testCompiler, testRegexps } from "../testing.ts";
import { addCondition } from "./compile.ts";
import { evaluate, linkCondition, Truth } from "./evaluate.ts";
import type { Condition } from "./program.ts";

export type Asked = {
  truth: Truth;
  /** why it is Truth.error */
  error: string;
  /** of the compiler, `code message; remedy`; the truth is then no answer */
  complaints: string[];
  /** reserved paths that were noted as read */
  reads: string[];
};

export function askCel(source: string, value: JsonObject, side: JsonObject = {}): Asked {
  const compiler = testCompiler();
  const index = addCondition(compiler, source, ["here"]);
  const complaints = compiler.report.diagnostics.map(
    ({ code, message, remedy }) => `${code} ${message}${remedy === "" ? "" : `; ${remedy}`}`,
  );
  if (complaints.length > 0) return { truth: Truth.error, error: "", complaints, reads: compiler.reads };
  // Through JSON and back: a condition is plain data.
  const condition = JSON.parse(JSON.stringify(compiler.plan.conditions[index])) as Condition;
  const patterns = compiler.plan.patterns.map((text) => testRegexps.compile(text) as Pattern);
  const linked = linkCondition(condition, patterns, testRegexps);
  const event = eventOf(value);
  event.side = side;
  const truth = evaluate(linked, event);
  // A second time on the same stack: nothing is left of the first.
  if (evaluate(linked, event) !== truth) throw new Error(`${source}: two answers`);
  return { truth, error: linked.error, complaints, reads: compiler.reads };
}
