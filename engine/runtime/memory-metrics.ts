/** The memory budget, as metrics. */
import type { Family } from "./exposition.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { family } from "./metrics.ts";

export function memoryFamilies(budget: MemoryBudget): Family[] {
  const { bytesMax, uses } = budget.gauges();
  const bytes = uses.map(({ use, bytes }) => [[["use", use]], bytes] as const);
  return [
    family("gauge", "agglo_memory_bytes_max", "What the process may hold for others (--memory).", bytesMax),
    family("gauge", "agglo_memory_bytes", "What it holds, by use.", bytes),
  ];
}
