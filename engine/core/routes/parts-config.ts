/** What a section and `always` both may say: what runs on a message, and what is written on it. */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { headerValueError, writeRefusedBecause } from "./header.ts";
import type { HeaderWrite, MetadataWrite } from "./route.ts";

export const PIPELINES_FIELD = {
  kind: "list",
  of: { kind: "string", doc: "A pipeline's name." },
  doc: "Run in this order; each gets the event the former left.",
} as const;

export const PARTS_FIELDS = {
  pipelines: PIPELINES_FIELD,
  setHeaders: {
    kind: "map",
    of: { kind: "string", doc: "A literal, or one whole reference `{internal:…}`." },
    doc: "Headers to set on the message.",
  },
  removeHeaders: {
    kind: "list",
    of: { kind: "string", doc: "A header's name." },
    doc: "Headers to remove from the message.",
  },
  metadata: {
    kind: "list",
    of: { kind: "string", doc: "A reserved path: `internal:risk`." },
    doc: "What else goes into the proxy's metadata, in the namespace `agglo` beside `route`, `verdict` and `rule`: `internal:risk` as `risk`.",
  },
} as const;

type PartsConfig = ConfigOf<typeof PARTS_FIELDS>;
/** What runs on a message and what is written on it: of a section's own, or of `always`. */
export type Parts = {
  pipelines: number[];
  setHeaders: HeaderWrite[];
  removeHeaders: string[];
  metadata: MetadataWrite[];
};

export function compileParts(config: Partial<PartsConfig>, compiler: Compiler, at: DocumentPath): Parts {
  const setHeaders = compileHeaderWrites(config.setHeaders ?? {}, compiler, at.concat("setHeaders"));
  return {
    pipelines: findPipelines(config.pipelines ?? [], compiler, at.concat("pipelines")),
    setHeaders,
    removeHeaders: compileHeaderNames(config.removeHeaders ?? [], setHeaders, compiler, at.concat("removeHeaders")),
    metadata: compileMetadata(config.metadata ?? [], compiler, at.concat("metadata")),
  };
}

/** `second` runs later, so of one header written by both its value stays. */
export function joinParts(first: Parts, second: Parts): Parts {
  return {
    pipelines: first.pipelines.concat(second.pipelines),
    setHeaders: first.setHeaders.concat(second.setHeaders),
    removeHeaders: first.removeHeaders.concat(second.removeHeaders),
    metadata: first.metadata.concat(second.metadata),
  };
}

/** Envoy refuses a mutation with more than 100 operations (facts 3.8); some are left for our own. */
const HEADER_OPERATIONS_MAX = 80;

export function checkOperations(parts: Parts, compiler: Compiler, at: DocumentPath): void {
  const operations = parts.setHeaders.length + parts.removeHeaders.length;
  if (operations <= HEADER_OPERATIONS_MAX) return;
  const message = `${operations} headers to set and remove, "always" included; the proxy takes ${HEADER_OPERATIONS_MAX}`;
  complain(compiler.report, "E_HEADER", at, message, "");
}

/** Indexes of pipelines by name; unknown ones are complained of and left out. */
export function findPipelines(names: readonly string[], compiler: Compiler, at: DocumentPath): number[] {
  const pipelines = compiler.plan.pipelines;
  const found: number[] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const index = pipelines.findIndex((pipeline) => pipeline.name === name);
    if (index !== -1) found.push(index);
    else
      complain(
        compiler.report,
        "E_REFERENCE",
        at.concat(i),
        `no pipeline is called "${name}"`,
        compiler.suggest(
          name,
          pipelines.map((pipeline) => pipeline.name),
        ),
      );
  }
  return found;
}

const REFERENCE = /^\{(internal:[^{}]+)\}$/;

function compileHeaderWrites(config: { [name: string]: string }, compiler: Compiler, at: DocumentPath): HeaderWrite[] {
  const writes: HeaderWrite[] = [];
  const names = Object.keys(config);
  for (let i = 0; i < names.length; i++) {
    const name = (names[i] as string).toLowerCase();
    const value = config[names[i] as string] as string;
    const reference = REFERENCE.exec(value)?.[1] ?? "";
    let error = writeRefusedBecause(name) || headerValueError(value);
    if (error === "" && reference === "" && /[{}]/.test(value)) error = "is neither a literal nor one whole reference";
    if (error === "" && writes.some((other) => other.name === name)) error = "stands here twice";
    if (error !== "")
      complain(
        compiler.report,
        "E_HEADER",
        at.concat(names[i] as string),
        `header "${name}" ${error}`,
        'write a literal, or one reference like "{internal:risk}"',
      );
    writes.push({ name, value: reference === "" ? value : "", reference });
  }
  return writes;
}

function compileHeaderNames(
  names: readonly string[],
  writes: readonly HeaderWrite[],
  compiler: Compiler,
  at: DocumentPath,
): string[] {
  return names.map((written, i) => {
    const name = written.toLowerCase();
    const error = writeRefusedBecause(name);
    if (error !== "") complain(compiler.report, "E_HEADER", at.concat(i), `header "${written}" ${error}`, "");
    // The proxy removes before it sets (facts 3.5).
    if (writes.some((write) => write.name === name))
      complain(compiler.report, "W_UNUSED", at.concat(i), `header "${written}" is set, so it is not removed`, "");
    return name;
  });
}

const RESERVED_PATH = /^internal:[^{}:]+$/;
/** What the host writes in the namespace itself. */
const OWN_METADATA = ["route", "verdict", "rule"];

function compileMetadata(paths: readonly string[], compiler: Compiler, at: DocumentPath): MetadataWrite[] {
  return paths.map((path, i) => {
    const key = path.slice("internal:".length);
    if (!RESERVED_PATH.test(path)) {
      const message = `metadata are taken from what stands under internal:, found "${path}"`;
      complain(compiler.report, "E_PATH", at.concat(i), message, 'write a path like "internal:risk"');
    } else if (OWN_METADATA.indexOf(key) !== -1) {
      complain(
        compiler.report,
        "E_PATH",
        at.concat(i),
        `"${key}" is what the host itself says there`,
        "choose another",
      );
    }
    return { key, reference: path };
  });
}
