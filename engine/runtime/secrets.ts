/**
 * Secrets come from outside the file, by reference, and leave by no message: whoever resolves one hands out the masker
 * that covers it.
 */
import { readFileSync, statSync } from "node:fs";
import type { Field, Fields } from "../core/definition.ts";
import { isArray, isObject, type JsonObject, type JsonValue, newObject, setOwn } from "../core/event/json.ts";

/** Larger than any key; a reference that names a device or a log must not be read to its end. */
const SECRET_FILE_BYTES_MAX = 64 * 1024;
const COVER = "***";

export type SecretError = { reference: string; error: string; remedy: string };

export type Secrets = {
  /** The value a reference names, or in words why there is none. Reads it anew each time. */
  resolve(reference: string): { value: string } | SecretError;
  /** Covers every value resolved so far, and passwords in URLs. */
  mask(text: string): string;
};

/** `environment` is process.env, or what a test puts in its place. */
export function newSecrets(environment: { readonly [name: string]: string | undefined }): Secrets {
  // Longest first: a secret that contains another is covered whole.
  let covered: string[] = [];
  return {
    resolve(reference) {
      const resolved = resolveReference(reference, environment);
      if ("value" in resolved) {
        covered = [...new Set([...covered, ...spellings(resolved.value)])].sort((a, b) => b.length - a.length);
      }
      return resolved;
    },
    mask(text) {
      let masked = text;
      for (const value of covered) masked = masked.replaceAll(value, COVER);
      return maskCredentials(masked);
    },
  };
}

/** A checked configuration with its secrets in the place of their references; a reference that leads nowhere stays. */
export function resolveFields(
  fields: Fields,
  config: JsonObject,
  secrets: Secrets,
): { options: JsonObject; errors: SecretError[] } {
  const errors: SecretError[] = [];
  const members = (inner: Fields, object: JsonObject): JsonObject => {
    const resolved = newObject();
    for (const [name, value] of Object.entries(object)) setOwn(resolved, name, member(inner[name], value));
    return resolved;
  };
  const member = (field: Field | undefined, value: JsonValue): JsonValue => {
    if (field?.kind === "secret" && typeof value === "string") {
      const found = secrets.resolve(value);
      if ("value" in found) return found.value;
      errors.push(found);
    }
    if (field?.kind === "object" && isObject(value)) return members(field.fields, value);
    if (field?.kind === "list" && isArray(value)) return value.map((element) => member(field.of, element));
    if (field?.kind === "map" && isObject(value)) {
      return members(Object.fromEntries(Object.keys(value).map((name) => [name, field.of])), value);
    }
    return value;
  };
  return { options: members(fields, config), errors };
}

/** As it is, as JSON prints it, as a URL holds it. */
function spellings(value: string): string[] {
  const wellFormed = value.toWellFormed();
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(wellFormed)];
}

/** `scheme://user:password@`: up to the last @ before the path, as URL parsers read it. */
const CREDENTIALS = /([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#"'<>]*@/gi;

/** Covers user and password of every URL in a text. */
export function maskCredentials(text: string): string {
  return text.replace(CREDENTIALS, `$1${COVER}@`);
}

function resolveReference(
  reference: string,
  environment: { readonly [name: string]: string | undefined },
): { value: string } | SecretError {
  const [, kind, name = ""] = /^\$\{(env|file):([^}]+)\}$/.exec(reference) ?? [];
  // Own members only: process.env has a `constructor` too.
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  if (kind === "env") return fromEnvironment(reference, name, value);
  if (kind === "file") return fromFile(reference, name);
  // What stands there instead may be the secret itself: it is not repeated.
  return {
    reference: COVER,
    error: "a secret stands in the file itself",
    remedy: "write ${env:NAME} or ${file:/path}, and put the value there",
  };
}

function fromEnvironment(reference: string, name: string, value: string | undefined): { value: string } | SecretError {
  if (value === undefined) {
    return { reference, error: `the environment has no ${name}`, remedy: `set ${name} where agglo is started` };
  }
  if (value === "") return { reference, error: `${name} is empty in the environment`, remedy: `give ${name} a value` };
  return { value };
}

function fromFile(reference: string, path: string): { value: string } | SecretError {
  if (!path.startsWith("/")) {
    return { reference, error: `the secret's file "${path}" is no absolute path`, remedy: "begin it with /" };
  }
  const read = readSecretFile(path);
  if ("error" in read) return { reference, ...read };
  // An editor ends the last line; the secret does not contain that.
  const value = read.text.replace(/\r?\n$/, "");
  if (value === "")
    return { reference, error: `the secret's file ${path} is empty`, remedy: "write the secret into it" };
  return { value };
}

function readSecretFile(path: string): { text: string } | { error: string; remedy: string } {
  try {
    const status = statSync(path);
    if (!status.isFile()) return { error: `${path} is no file`, remedy: "name a file that holds the secret" };
    if (status.size > SECRET_FILE_BYTES_MAX) {
      return {
        error: `${path} is larger than ${SECRET_FILE_BYTES_MAX} bytes`,
        remedy: "name a file that holds only the secret",
      };
    }
    return { text: readFileSync(path, "utf8") };
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? String(thrown);
    if (code === "ENOENT") return { error: `there is no file ${path}`, remedy: "put the secret there" };
    return {
      error: `the secret's file ${path} cannot be read (${code})`,
      remedy: "let the user that agglo runs as read it",
    };
  }
}
