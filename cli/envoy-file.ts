/** Reading an Envoy configuration, YAML or JSON, with the places of what stands in it. */
import { readFileSync } from "node:fs";
import { isNode, LineCounter, parseDocument } from "yaml";
import type { Document } from "../engine/config/document.ts";
import type { DocumentPath } from "../engine/core/diagnostic.ts";
import { Ending, Exit } from "./exit.ts";

export type EnvoyFile = { value: unknown; document: Pick<Document, "file" | "locate"> };

/** Throws an Ending when the file cannot be read, or is no YAML. */
export function readEnvoyFile(file: string): EnvoyFile {
  const lineCounter = new LineCounter();
  const yaml = parseDocument(readText(file), { lineCounter, prettyErrors: false, merge: true });
  const [error] = yaml.errors;
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw new Ending(Exit.findings, `${file}:${line}:${col}: no YAML: ${error.message}`);
  }
  const locate = (path: DocumentPath) => {
    for (let length = path.length; length >= 0; length--) {
      const node = length === 0 ? yaml.contents : yaml.getIn(path.slice(0, length), true);
      if (!isNode(node) || node.range == null) continue; // what is missing is where it would stand
      const { line, col } = lineCounter.linePos(node.range[0]);
      return { line, column: col, length: 1 };
    }
    return { line: 1, column: 1, length: 1 };
  };
  return { value: yaml.toJS(), document: { file, locate } };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Ending(Exit.findings, `${file}: cannot read it: ${(error as NodeJS.ErrnoException).code}`);
  }
}
