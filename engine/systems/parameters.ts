/** `name=value,name=value`: what stands after the scheme of a connection string (agglo-behaviour 5.1). */
import { type Refusal, refuse } from "./system.ts";

/** Parts of a value, as in `authString=basic;user;password`: the comma is taken. */
const PARTS = ";";

export type Parameters = { readonly [name: string]: string };

/** `names`: the ones there are; `required`: those that must be there and not empty. */
export function parseParameters(
  connectionString: string,
  names: readonly string[],
  required: readonly string[],
): Parameters | { refusal: Refusal } {
  const found: { [name: string]: string } = Object.create(null);
  const text = connectionString.slice(connectionString.indexOf(":") + 1);
  for (const pair of text === "" ? [] : text.split(",")) {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals === -1 ? pair.length : equals);
    // What follows the name may be a password: it is not quoted.
    if (!names.includes(name)) return refused(`the connection string has no parameter "${name.slice(0, 40)}"`, names);
    if (name in found) return refused(`the connection string has the parameter "${name}" twice`, names);
    found[name] = equals === -1 ? "" : pair.slice(equals + 1);
  }
  const missing = required.filter((name) => (found[name] ?? "") === "");
  if (missing.length > 0) return refused(`the connection string lacks ${missing.join(", ")}`, names);
  return found;
}

function refused(error: string, names: readonly string[]): { refusal: Refusal } {
  return { refusal: refuse(error, `known are ${names.join(", ")}, written name=value and joined by commas`) };
}

/** The parts of a value that may have several. */
export function partsOf(value: string): string[] {
  return value.split(PARTS).filter((part) => part !== "");
}

/** true, false or, left out, undefined; a refusal for anything else. */
export function parseBoolean(parameters: Parameters, name: string): boolean | undefined | { refusal: Refusal } {
  const text = parameters[name];
  if (text === undefined) return undefined;
  if (text === "true" || text === "false") return text === "true";
  return { refusal: refuse(`${name} is neither true nor false`, `write ${name}=true or ${name}=false`) };
}
