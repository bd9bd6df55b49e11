/** All scenarios, by what they need to know of the server. */
import { bodyScenarios } from "./bodies.ts";
import { eventStreamScenarios } from "./event-streams.ts";
import { framingScenarios } from "./framing.ts";
import { orderScenarios } from "./orders.ts";
import { ruleScenarios } from "./rules.ts";
import type { OwnScenario, Scenario } from "./scenario.ts";

/** They hold for every server, whatever its rules for this path are. */
export function anyServerScenarios(path: string): Scenario[] {
  return [...bodyScenarios(path), ...framingScenarios(path), ...orderScenarios(path)];
}

/** Our own server is asked them for a path without rules, one that holds bodies and one that looks at them. */
export const OWN_PATHS = ["/", "/keep", "/mirror"];

export function ownScenarios(): OwnScenario[] {
  return [...ruleScenarios(), ...eventStreamScenarios()];
}
