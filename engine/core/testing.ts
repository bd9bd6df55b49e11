/** Hand-written ports for tests of the core: deterministic, and they remember what they were asked. */
import type { Compiler } from "./compiler.ts";
import { newReport } from "./diagnostic.ts";
import { newPlan } from "./plan.ts";
import type { Ports, Regexps, TeeTarget } from "./ports.ts";

/** RegExp in place of RE2: tests of the core use only what both read alike. */
export const testRegexps: Regexps = {
  compile(pattern) {
    try {
      const test = new RegExp(pattern, "u");
      const all = new RegExp(pattern, "gu");
      return {
        test: (text) => test.test(text),
        replaceAll: (text, template) => text.replace(all, template),
      };
    } catch {
      return { error: "is not a pattern" };
    }
  },
};

export type TestPorts = Ports & {
  sent: { target: TeeTarget; id: string; payload: string }[];
  counted: { [name: string]: number };
};

export function testPorts(): TestPorts {
  const sent: TestPorts["sent"] = [];
  const counted: TestPorts["counted"] = {};
  let ids = 0;
  return {
    sent,
    counted,
    regexps: testRegexps,
    clock: { nowMs: () => 0, localTime: () => "2026-11-24T11:02:31+01:00" },
    ids: { uuid: () => `id-${++ids}` },
    hmacs: { hmacSha256: (reference, text) => `hmac(${reference},${text.length})` },
    tees: {
      waits: false,
      offer: (target, id, payload) => sent.push({ target, id, payload }),
      deliver: () => Promise.resolve({ error: "", response: "" }),
    },
    counters: {
      add: (name, label, amount) => {
        const key = `${name} ${label}`;
        counted[key] = (counted[key] ?? 0) + amount;
      },
    },
  };
}

/** A compiler onto an empty plan with one system, `archive`. */
export function testCompiler(): Compiler {
  const plan = newPlan();
  const connectionString = "mem:archive";
  plan.targets.push({ type: "ExternalObjectStore", name: "archive", outputType: "object", connectionString });
  return {
    report: newReport(),
    regexps: testRegexps,
    plan,
    reads: [],
    findTransformer: () => -1,
    findTarget: (name) => plan.targets.findIndex((target) => target.name === name),
    transformerNames: () => [],
    systemNames: () => ["archive"],
    suggest: () => "",
  };
}
