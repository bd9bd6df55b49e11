/** One server process of several, as it is to its primary (processes.ts): what it is told, asks and answers. */
import { answerOn, ipcPort } from "../engine/runtime/asking.ts";
import type { Family } from "../engine/runtime/exposition.ts";
import type { Reload } from "../engine/runtime/generations.ts";
import { remoteStores } from "../engine/runtime/shared-stores.ts";
import type { Stores } from "../engine/systems/memory.ts";
import type { Serving } from "./serve.ts";

export type Question = "reload" | "families" | "configuration";
export type Answer = Reload | Family[] | string | undefined;

/** What a child is told in its environment. */
export type Assignment = { index: number; addresses: readonly string[] };
export const ASSIGNMENT = "AGGLO_CHILD";

/** What a child tells once it serves. */
export type Ready = { topic: "ready"; message: { addresses: string[] } };

/** What a child process is there for; undefined: this is none. */
export type Child = Assignment & {
  /** the primary's */
  stores: Stores;
  /** Tells the primary that it serves, and answers its questions from then on. */
  ready(serving: Serving): void;
  /** Resolves when the primary is gone: nobody would end us. */
  orphaned: Promise<void>;
};

export function childOf(process: NodeJS.Process): Child | undefined {
  const assignment = process.env[ASSIGNMENT];
  if (assignment === undefined || process.send === undefined) return undefined;
  delete process.env[ASSIGNMENT]; // not for the commands that we run
  return {
    ...(JSON.parse(assignment) as Assignment),
    stores: remoteStores(ipcPort(process, "stores")),
    ready(serving) {
      answerOn<Question, Answer>(ipcPort(process, "control"), async (question) => {
        if (question === "reload") return serving.reload();
        return question === "families" ? serving.metrics() : serving.configuration();
      });
      process.send?.({ topic: "ready", message: { addresses: serving.addresses } } satisfies Ready);
    },
    orphaned: new Promise((resolve) => process.once("disconnect", () => resolve())),
  };
}
