/**
 * One violation per rule, each in a file of its own laid out like the repository. tools/lint-proof.test.ts plants them
 * in a temporary folder and expects every one to be caught: a rule that sees nothing would otherwise pass for ever.
 */
export interface Planted {
  readonly file: string;
  readonly source: string;
  /** The rule's name, or for the core dialect the beginning of its message. */
  readonly caughtBy: string;
  /** Part of the finding's message: which of the rule's arms caught it. */
  readonly saying?: string;
}

/** The arrows: [file, what it must not import, what the message begins with]. */
const arrows: readonly (readonly [string, string, string])[] = [
  ["engine/core/a.ts", "../config/read.ts", "engine/core imports nobody"],
  ["engine/core/b.ts", "../systems/memory.ts", "engine/core imports nobody"],
  ["engine/core/event/c.ts", "../../runtime/load.ts", "engine/core imports nobody"],
  ["engine/core/d.ts", "../../extproc/server.ts", "engine/core imports nobody"],
  ["engine/core/e.ts", "../../cli/lint.ts", "engine/core imports nobody"],
  ["engine/core/f.ts", "re2js", "engine/core has no package"],
  ["engine/core/g.ts", "@grpc/grpc-js", "engine/core has no package"],
  ["engine/core/h.test.ts", "../runtime/load.ts", "engine/core imports nobody"],
  ["engine/config/a.ts", "../systems/memory.ts", "engine/config knows engine/core only"],
  ["engine/config/b.ts", "../runtime/load.ts", "engine/config knows engine/core only"],
  ["engine/config/c.ts", "../../extproc/server.ts", "engine/config knows engine/core only"],
  ["engine/systems/a.ts", "../config/read.ts", "engine/systems implements the ports"],
  ["engine/systems/b.ts", "../runtime/load.ts", "engine/systems implements the ports"],
  ["engine/systems/c.ts", "../../cli/lint.ts", "engine/systems implements the ports"],
  ["engine/runtime/a.ts", "../../extproc/server.ts", "engine/runtime puts"],
  ["engine/runtime/b.ts", "../../cli/lint.ts", "engine/runtime puts"],
  ["engine/runtime/durable-log/a.ts", "../tee-queue.ts", "engine/runtime/durable-log keeps bytes on disk"],
  ["engine/runtime/durable-log/b.ts", "../../core/pipeline.ts", "engine/runtime/durable-log keeps bytes on disk"],
  ["extproc/a.ts", "../njs/host.ts", "hosts never import each other"],
  ["extproc/b.ts", "../cli/lint.ts", "hosts never import each other"],
  ["extproc/c.ts", "../envoy/bootstrap.ts", "hosts never import each other"],
  ["njs/a.ts", "../extproc/server.ts", "hosts never import each other"],
  ["njs/b.ts", "../engine/runtime/load.ts", "njs carries engine/core alone"],
  ["daemon/a.ts", "../lambda/handler.ts", "hosts never import each other"],
  ["lambda/a.ts", "../daemon/server.ts", "hosts never import each other"],
  ["extproc/http2/a.ts", "../grpc/envelope.ts", "extproc/http2 is frames"],
  ["extproc/http2/b.ts", "../messages/read.ts", "extproc/http2 is frames"],
  ["extproc/http2/c.ts", "../exchange/phases.ts", "extproc/http2 is frames"],
  ["extproc/http2/d.ts", "../../njs/host.ts", "hosts never import each other"],
  ["extproc/grpc/a.ts", "../messages/read.ts", "extproc/grpc is envelopes"],
  ["extproc/messages/a.ts", "../exchange/phases.ts", "extproc/messages is bytes"],
  ["extproc/messages/b.ts", "../../engine/index.ts", "extproc/messages is bytes"],
  ["extproc/exchange/a.ts", "../../engine/core/outcome.ts", "extproc/exchange knows nothing of pipelines"],
  ["extproc/exchange/b.ts", "../../engine/index.ts", "extproc/exchange knows nothing of pipelines"],
  ["envoy/a.ts", "../engine/systems/memory.ts", "generators read the configuration"],
  ["envoy/b.ts", "../extproc/server.ts", "generators read the configuration"],
  ["nginx/a.ts", "../njs/host.ts", "generators read the configuration"],
];

/** Both forms of import, in turn: a type is an arrow too. */
function arrow([file, target, saying]: readonly [string, string, string], index: number): Planted {
  const type = index % 2 === 0 ? "" : "type ";
  const source = `import ${type}{ X } from "${target}";\nexport const x = (y: X): X => y;\n`;
  return { file, source, caughtBy: "lint/style/noRestrictedImports", saying };
}

/** The core's dialect: [what is written, what the message begins with after "core dialect: "]. */
const dialect: readonly (readonly [string, string])[] = [
  ["export class A {}", "no class"],
  ["export const a = class {};", "no class expression"],
  ["export const a = new Map<string, number>();", "no Map or Set"],
  ["export const a = new Set([1]);", "no Map or Set"],
  ["export const a = new WeakMap<object, number>();", "no Map or Set"],
  ['export const a = new Function("return 1");', "no code from strings"],
  ["export function f(list: number[]): void { for (const n of list) use(n); }", "no for-of"],
  ["export function f(list: number[]): void { for (let n of list) use(n++); }", "no for-of"],
  ['export function f(): void { throw new Error("x"); }', "no throw"],
  ["export function* f(): Generator<number> { yield 1; }", "no generator"],
  ["export const a = [...list];", "no spread"],
  ["export const a = { ...list };", "no spread"],
  ["export const a = use(...list);", "no spread"],
  ["const { a } = list;", "no destructuring"],
  ["const [a] = list;", "no destructuring"],
  ["export function f({ a }: { a: number }): number { return a; }", "no destructuring"],
  ["export function f(a: number): void { ({ a } = list); }", "no destructuring"],
  ["export function f(a: number): void { [a] = list; }", "no destructuring"],
  ["export function f(a: number = 1): number { return a; }", "no default parameter"],
  ["export const f = (a: number = 1): number => a;", "no default parameter"],
  ["let a = 1; export const f = (): number => a++;", "no module-level let"],
  ["export let a = 1;", "no module-level let"],
  ["export const f = (): number => Math.random();", "no randomness of its own"],
  ['export const f = (a: string): string => a.replace(/x/g, "");', "no flag g"],
  ["export const f = (a: number[]): number | undefined => a.at(-1);", "no such method"],
  ["export const f = (a: number[][]): number[] => a.flat();", "no such method"],
  ["export const f = (a: string): number[] => Array.from(a, Number);", "no such function"],
  ['export const f = (a: object): boolean => Object.hasOwn(a, "b");', "no such function"],
];

const coreGlobals =
  "Date performance setTimeout setInterval queueMicrotask Buffer TextDecoder TextEncoder crypto console fetch process globalThis";

const others: readonly Planted[] = [
  {
    file: "engine/core/late.ts",
    source: 'export const f = () => import("../runtime/load.ts");',
    caughtBy: "lint/style/noRestrictedImports",
  },
  {
    file: "engine/core/through.ts",
    source: 'export { a } from "../runtime/load.ts";',
    caughtBy: "lint/style/noRestrictedImports",
  },
  {
    file: "engine/core/node.ts",
    source: 'import fs from "node:fs"; fs;',
    caughtBy: "lint/correctness/noNodejsModules",
  },
  { file: "engine/core/env.ts", source: "process.env;", caughtBy: "lint/correctness/noProcessGlobal" },
  {
    file: "cli/cycle-a.ts",
    source: 'import { b } from "./cycle-b.ts";\nexport const a = () => b();',
    caughtBy: "lint/suspicious/noImportCycles",
  },
  {
    file: "cli/cycle-b.ts",
    source: 'import { a } from "./cycle-a.ts";\nexport const b = () => a();',
    caughtBy: "lint/suspicious/noImportCycles",
  },
  {
    file: "cli/index.ts",
    source: 'export { a } from "./cycle-a.ts";\nexport { b } from "./cycle-b.ts";',
    caughtBy: "lint/performance/noBarrelFile",
  },
  { file: "cli/all.ts", source: 'export * from "./cycle-a.ts";', caughtBy: "lint/performance/noReExportAll" },
  { file: "cli/default.ts", source: "export default 1;", caughtBy: "lint/style/noDefaultExport" },
  { file: "cli/enum.ts", source: "export enum E { a }", caughtBy: "lint/style/noEnum" },
  {
    file: "cli/property.ts",
    source: "export class A { constructor(readonly a: number) {} }",
    caughtBy: "lint/style/noParameterProperties",
  },
  { file: "cli/any.ts", source: "export const a: any = 1;", caughtBy: "lint/suspicious/noExplicitAny" },
  {
    file: "cli/promise.ts",
    source: "async function f(): Promise<void> {}\nexport function g(): void { f(); }",
    caughtBy: "lint/nursery/noFloatingPromises",
  },
  {
    file: "cli/type.ts",
    source: 'import { T } from "./enum.ts";\nexport type U = T;',
    caughtBy: "lint/style/useImportType",
  },
  {
    file: "cli/extension.ts",
    source: 'import { E } from "./enum";\nexport const e = E.a;',
    caughtBy: "lint/correctness/useImportExtensions",
  },
  { file: "cli/camelCase.ts", source: "export const a = 1;", caughtBy: "lint/style/useFilenamingConvention" },
  {
    file: "cli/long-file.ts",
    source: "export const a = 1;\n".repeat(401),
    caughtBy: "lint/style/noExcessiveLinesPerFile",
  },
  {
    file: "cli/long-function.ts",
    source: `export function f(): void {\n${"  f();\n".repeat(71)}}`,
    caughtBy: "lint/complexity/noExcessiveLinesPerFunction",
  },
];

export const planted: readonly Planted[] = [
  ...arrows.map(arrow),
  ...dialect.map(([source, saying], index) => ({
    file: `engine/core/dialect-${index}.ts`,
    source,
    caughtBy: "plugin",
    saying: `core dialect: ${saying}`,
  })),
  ...coreGlobals.split(" ").map((name) => ({
    file: `engine/core/global-${name.toLowerCase()}.ts`,
    source: `export const a = ${name};`,
    caughtBy: "lint/style/noRestrictedGlobals",
    saying: name,
  })),
  ...others,
];

/** What the rules must let through: the arrows that point the right way, and what tests may do. */
export const innocent: Readonly<Record<string, string>> = {
  "engine/core/processes/filter.ts":
    'import { a } from "../event/path.ts";\nimport type { b } from "./tee.ts";\nexport const f = (x: b): number => { let y = 0; y += a(x); return y; };',
  "engine/core/processes/filter.test.ts":
    'import { test } from "vitest";\nimport { readFileSync } from "node:fs";\nfor (const n of [...[1]]) test(String(n), () => new Map([[readFileSync, Date]]));',
  "engine/core/table.ts": "export const table: number[] = [];\nfor (let i = 0; i < 256; i++) table.push(i);",
  "engine/config/read.ts":
    'import { parseTree } from "jsonc-parser";\nimport { a } from "../core/event/path.ts";\nexport const f = () => a(parseTree("1"));',
  "engine/systems/file.ts":
    'import { open } from "node:fs/promises";\nimport type { P } from "../core/ports.ts";\nexport const f = (p: P) => open(p);',
  "engine/runtime/load.ts":
    'import { a } from "../config/read.ts";\nimport { b } from "../systems/file.ts";\nimport { c } from "../core/ports.ts";\nexport const f = () => [a, b, c];',
  "extproc/server.ts":
    'import { a } from "../engine/runtime/load.ts";\nimport { b } from "./exchange/phases.ts";\nexport const f = () => [a, b];',
  "extproc/exchange/phases.ts": 'import { a } from "../messages/read.ts";\nexport const f = () => a;',
  "extproc/grpc/server.ts": 'import { Server } from "@grpc/grpc-js";\nexport const f = () => new Server();',
  "envoy/bootstrap.ts":
    'import type { a } from "../engine/core/ports.ts";\nimport { b } from "../engine/runtime/load.ts";\nexport const f = (x: a) => b(x);',
  "cli/binge.ts":
    'import { a } from "../extproc/server.ts";\nimport { b } from "../envoy/bootstrap.ts";\nexport const f = () => [a, b];',
  "engine/index.ts": 'export { a } from "./core/ports.ts";\nexport { b } from "./runtime/load.ts";',
};
