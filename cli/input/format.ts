/** The formats events come in, and which one a file has. */
import { extname } from "node:path";
import { readCsv } from "./csv.ts";
import type { Read } from "./found.ts";
import { readJson } from "./json.ts";
import { readNdjson } from "./ndjson.ts";
import { readYaml } from "./yaml.ts";

export const FORMATS = ["ndjson", "json", "csv", "yaml"] as const;
export type FormatName = (typeof FORMATS)[number];

export const READERS: { readonly [name in FormatName]: Read } = {
  ndjson: readNdjson,
  json: readJson,
  csv: readCsv,
  yaml: readYaml,
};

const ENDINGS: { readonly [ending: string]: FormatName } = {
  ".json": "json",
  ".csv": "csv",
  ".yaml": "yaml",
  ".yml": "yaml",
};

/** By its ending; NDJSON where that says nothing, and for standard input. */
export function guessFormat(file: string | undefined): FormatName {
  return ENDINGS[extname(file ?? "").toLowerCase()] ?? "ndjson";
}
