/** The `match` of a route: its fields and their compilation. */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { compileGlob } from "./glob.ts";
import { headerNameError } from "./header.ts";
import { normalizeHost } from "./host.ts";
import type { MatchPlan } from "./route.ts";

export const MATCH_FIELDS = {
  hosts: {
    kind: "list",
    of: { kind: "string", doc: "A host, or `*.` and a domain for its subdomains." },
    doc: "Any of these; absent: every host.",
  },
  paths: {
    kind: "list",
    of: { kind: "string", doc: "A path with `*` (within a segment) and `**` (any number of segments)." },
    doc: "Any of these; absent: every path.",
  },
  methods: {
    kind: "list",
    of: { kind: "string", doc: "A method, in capitals." },
    doc: "Any of these; absent: every method.",
  },
  headers: {
    kind: "map",
    of: { kind: "string", doc: "The value." },
    doc: "All of these, each with exactly this value.",
  },
} as const;

type MatchConfig = ConfigOf<typeof MATCH_FIELDS>;

export function compileMatch(config: MatchConfig | undefined, compiler: Compiler, at: DocumentPath): MatchPlan {
  const match: MatchPlan = { hosts: [], paths: [], methods: [], headers: [] };
  if (config === undefined) return match;
  const hosts = config.hosts ?? [];
  for (let i = 0; i < hosts.length; i++) {
    const host = hosts[i] as string;
    if (host.slice(1).indexOf("*") !== -1 || (host.startsWith("*") && host !== "*" && !host.startsWith("*."))) {
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("hosts", i),
        `"*" stands alone or before the first dot, found "${host}"`,
        'write "*.example.com"',
      );
    }
    match.hosts.push(normalizeHost(host));
  }
  const paths = config.paths ?? [];
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i] as string;
    if (!path.startsWith("/"))
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("paths", i),
        `a path begins with "/", found "${path}"`,
        `write "/${path}"`,
      );
    if (/[?#]/.test(path)) {
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("paths", i),
        `a path has no query and no fragment, found "${path}"`,
        "match on internal:http.query in a condition",
      );
    }
    match.paths.push(compileGlob(path));
  }
  match.methods = config.methods ?? [];
  for (let i = 0; i < match.methods.length; i++) {
    const method = match.methods[i] as string;
    if (method !== method.toUpperCase())
      complain(
        compiler.report,
        "E_VALUE",
        at.concat("methods", i),
        `methods are written in capitals, found "${method}"`,
        `write "${method.toUpperCase()}"`,
      );
  }
  const headers = config.headers ?? {};
  const names = Object.keys(headers);
  for (let i = 0; i < names.length; i++) {
    const error = headerNameError((names[i] as string).toLowerCase());
    if (error !== "")
      complain(compiler.report, "E_HEADER", at.concat("headers", names[i] as string), `"${names[i]}" ${error}`, "");
    match.headers.push({ name: (names[i] as string).toLowerCase(), value: headers[names[i] as string] as string });
  }
  return match;
}
