/** Which responses a section treats, by status. */

/** True when `statuses` ("2xx", "404"; none: any) hold the status. */
export function matchesStatus(statuses: readonly string[], status: number): boolean {
  if (statuses.length === 0) return true;
  const text = String(status);
  return statuses.indexOf(text) !== -1 || statuses.indexOf(`${text.charAt(0)}xx`) !== -1;
}
