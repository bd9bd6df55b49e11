/** `binge nginx --explain`: process by target, can or cannot, and how. */
import { abilitiesOf } from "./processes.ts";
import type { Target } from "./targets.ts";

export function explain(targets: readonly Target[]): string {
  return targets.map(explainTarget).join("\n");
}

function explainTarget(target: Target): string {
  const rows = abilitiesOf(target).map((ability) => {
    const can = ability.how !== "";
    const what = can ? ability.how : `${ability.message}; ${ability.remedy}`;
    return `  ${ability.process.padEnd(13)} ${can ? "can   " : "cannot"} ${what}`;
  });
  return [`${target.name}: ${target.comesWith}`, ...rows, ""].join("\n");
}
