/** Reading a verb's arguments: `--name value`, `--name=value`, `--flag`, and the rest. */
import { parseArgs } from "node:util";
import { Ending, Exit } from "./exit.ts";

type Option = { type: "string" | "boolean"; multiple?: boolean };
export type Options = { readonly [name: string]: Option };
export type Arguments = { values: { [name: string]: string | boolean | string[] | undefined }; positionals: string[] };

/** Throws an Ending with the sentence that says what is wrong. */
export function readArguments(
  verb: string,
  args: readonly string[],
  options: Options,
  positionals: boolean,
): Arguments {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: positionals, strict: true });
    return { values: parsed.values as Arguments["values"], positionals: parsed.positionals };
  } catch (error) {
    // parseArgs throws nothing but complaints about the arguments
    const first = (error as Error).message.split(". ")[0];
    throw new Ending(Exit.usage, `binge ${verb}: ${first}; see binge --help`);
  }
}

export function requiredString(verb: string, args: Arguments, name: string): string {
  const value = args.values[name];
  if (typeof value === "string" && value !== "") return value;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is missing; see binge --help`);
}

export function optionalString(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === "string" ? value : undefined;
}

/** Every value of an option that may stand several times; at least one. */
export function requiredStrings(verb: string, args: Arguments, name: string): string[] {
  const values = args.values[name];
  if (Array.isArray(values) && !values.includes("")) return values;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is missing; see binge --help`);
}

/** One of a few words. */
export function choice<Word extends string>(
  verb: string,
  args: Arguments,
  name: string,
  words: readonly Word[],
  fallback: Word,
): Word {
  const text = optionalString(args, name) ?? fallback;
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is one of ${words.join(", ")}, not "${text}"`);
}

/** A whole number from 1 on. */
export function count(verb: string, args: Arguments, name: string, fallback: number, max: number): number {
  return wholeNumber(verb, args, name, 1, max) ?? fallback;
}

/** undefined: it is not given. */
export function wholeNumber(verb: string, args: Arguments, name: string, min: number, max: number): number | undefined {
  const text = optionalString(args, name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is a whole number from ${min} to ${max}, not "${text}"`);
}

/** A TCP port, 0 to 65535. */
export function port(verb: string, args: Arguments, name: string, fallback: number): number {
  const text = optionalString(args, name);
  if (text === undefined) return fallback;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535 && text !== "") return number;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is a port from 0 to 65535, not "${text}"`);
}

const UNITS: { readonly [unit: string]: number } = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A number of bytes, `256MiB`. */
export function bytes(verb: string, args: Arguments, name: string, fallback: number, min: number): number {
  const text = optionalString(args, name);
  if (text === undefined) return fallback;
  const [, digits, unit = ""] = /^(\d{1,15})(KiB|MiB|GiB)?$/.exec(text) ?? [];
  const number = Number(digits) * (UNITS[unit] as number);
  if (number >= min) return number;
  throw new Ending(Exit.usage, `binge ${verb}: --${name} is a size from ${sizeText(min)} on, not "${text}"`);
}

function sizeText(bytes: number): string {
  return bytes >= 1024 ** 2 ? `${bytes / 1024 ** 2}MiB` : `${bytes / 1024}KiB`;
}
