/** What is wrong with a configuration, as data. `engine/config` gives it a place in the file and prints it. */

/** Stable names of everything that can be wrong; what each means and how to mend it stands in docs/reference/errors.md. */
export type DiagnosticCode =
  | "E_SYNTAX"
  | "E_DUPLICATE_KEY"
  | "E_UNKNOWN_FIELD"
  | "E_MISSING_FIELD"
  | "E_TYPE"
  | "E_VALUE"
  | "E_ONE_OF"
  | "E_REFERENCE"
  | "E_DUPLICATE_NAME"
  | "E_PATTERN"
  | "E_PATH"
  | "E_CONDITION"
  | "E_HEADER"
  | "E_CONNECTION"
  | "E_SECRET"
  | "E_NOT_YET"
  | "W_NOT_YET"
  | "W_UNUSED";

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
