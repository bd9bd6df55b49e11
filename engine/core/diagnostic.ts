/** What is wrong with a configuration, as data. `engine/config` gives it a place in the file and prints it. */

/** Stable names of everything that can be wrong, and what each means; docs/reference/errors.md is made of this. */
export const DIAGNOSTIC_CODES = {
  E_SYNTAX: "The file is not JSON: no comments, no trailing commas, nothing behind the document.",
  E_DUPLICATE_KEY: "A key stands twice in one object; one reader would take the first, another the last.",
  E_UNKNOWN_FIELD: "No such field. Read the suggestion; `--lenient` makes it a warning.",
  E_MISSING_FIELD: "A field that must be there is not.",
  E_TYPE: "The value has the wrong type.",
  E_VALUE: "The value has the right type and is none of those allowed.",
  E_ONE_OF: "Fields that exclude each other stand side by side, or none of them is there.",
  E_REFERENCE: "A name that nothing in the file has.",
  E_DUPLICATE_NAME: "Two things have one name.",
  E_PATTERN: "The pattern is not RE2's: no look-around, no back-references.",
  E_PATH: "The path cannot be read, or names what only the host may write.",
  E_CONDITION: "The condition cannot be compiled.",
  E_HEADER: "The header may not be written, or its value cannot stand in one.",
  E_CONNECTION: "The connection string does not have the form its system needs.",
  E_SECRET: "A secret stands in the file. Write `${env:NAME}` or `${file:/path}`.",
  E_NOT_YET: "Recognised, and not there yet.",
  E_SLIP: "`lint --strict`: a way in which a field, a type or a message could slip past a rule of this route.",
  E_ORIGINAL: "`lint --original`: the original agglo would refuse the file, fail on it, or take it for something else.",
  E_ENVOY:
    "`lint --envoy`: a setting of Envoy that lets traffic around a rule, makes errors of answers, or invites smuggling.",
  W_ENVOY: "`lint --envoy`: a setting of Envoy that loses something, though no rule.",
  E_TARGET: "`binge nginx`: the target's nginx cannot do this, and leaving it out would be another file.",
  W_UNUSED: "Nothing uses this, or it does nothing.",
  W_POLICY: "What the file says of a fault cannot hold: the proxy answers by itself, or the fault cannot happen.",
  W_LOCAL_STATE: "A route counts or joins in the memory of one process: several hosts each have their own counts.",
  W_SHARED_STATE: "Two aggregators add to the same numbers, so one event counts twice.",
} as const;
export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

/** Where in the document: member names and element indexes from the root. */
export type DocumentPath = readonly (string | number)[];

export type Diagnostic = {
  code: DiagnosticCode;
  severity: "error" | "warning";
  path: DocumentPath;
  /** what was expected and what was found; lower case, no full stop, no secret */
  message: string;
  /** what would do; "" when the message says it */
  remedy: string;
  /** true: the place is the key, not the value (an unknown or doubled field) */
  atKey: boolean;
};

/** Collects diagnostics; nothing stops at the first. */
export type Report = { diagnostics: Diagnostic[] };

export function newReport(): Report {
  return { diagnostics: [] };
}

export function complain(
  report: Report,
  code: DiagnosticCode,
  path: DocumentPath,
  message: string,
  remedy: string,
): void {
  const severity = code.startsWith("W_") ? "warning" : "error";
  const atKey = code === "E_UNKNOWN_FIELD" || code === "E_DUPLICATE_KEY";
  report.diagnostics.push({ code, severity, path, message, remedy, atKey });
}

export function hasErrors(report: Report): boolean {
  return report.diagnostics.some(isError);
}

function isError(diagnostic: Diagnostic): boolean {
  return diagnostic.severity === "error";
}
