/** Ways past a transformer that is used as a rule, for `lint --strict`. */
import { type Compiler, noteFault, noteSlip } from "../compiler.ts";
import { noteConditionSlip } from "../condition/slips.ts";
import type { DocumentPath } from "../diagnostic.ts";
import type { Spec, TransformerSettings } from "./spec.ts";
import { Transformation } from "./transformation.ts";

export function noteTransformerSlips(compiler: Compiler, settings: TransformerSettings, at: DocumentPath): void {
  if (!settings.forward) {
    const message = "only the targets go on: every other field of the event is lost";
    noteSlip(compiler, at, message, 'say "forwardInputFields": true');
  }
  for (let i = 0; i < settings.specs.length; i++) {
    const spec = settings.specs[i] as Spec;
    const path = at.concat("specs", i);
    noteConditionSlip(compiler, spec.condition, path.concat("transformation", "condition"), `spec ${i} applies`);
    if (spec.type === Transformation.mapRegex) noteTextRule(compiler, spec, path);
    for (let j = i + 1; j < settings.specs.length; j++)
      noteUndoing(compiler, spec, settings.specs[j] as Spec, i, j, at);
  }
}

// A text rule in place: what it is after may come in another shape.
function noteTextRule(compiler: Compiler, spec: Spec, at: DocumentPath): void {
  const source = spec.source === undefined ? "" : spec.source.text;
  const remedy = "a redactor takes any type, and ** finds a field at any depth";
  noteFault(
    compiler,
    at,
    `a number, or text nested deeper, in place of the text "${source}" is an error, not replaced`,
    remedy,
  );
  if (source.indexOf(".") === -1) return;
  noteSlip(compiler, at, `a list in place of an object on the way to "${source}" slips by`, remedy);
}

// Every spec reads the event as it came in: a later one whose target covers an earlier one's brings the original back.
function noteUndoing(compiler: Compiler, earlier: Spec, later: Spec, i: number, j: number, at: DocumentPath): void {
  if (later.source === undefined) {
    noteSlip(
      compiler,
      at.concat("specs", j),
      `spec ${j} copies the whole event over what spec ${i} wrote`,
      "put it first",
    );
    return;
  }
  if (earlier.source === undefined || !covers(later.target.text, earlier.target.text)) return;
  if (!covers(later.source.text, earlier.source.text)) return;
  const message = `spec ${j} reads "${later.source.text}" as it came in and undoes spec ${i}`;
  noteSlip(compiler, at.concat("specs", j), message, "make it one spec, or two transformers");
}

function covers(outer: string, inner: string): boolean {
  return outer === inner || inner.startsWith(`${outer}.`);
}
