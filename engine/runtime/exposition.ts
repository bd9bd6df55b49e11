/**
 * Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats"): metrics as plain data, which processes can
 * send each other, and their text.
 */

export type Sample = {
  /** what follows the family's name: "", or `_bucket`, `_sum`, `_count` of a histogram */
  suffix: string;
  /** names and values, in order */
  labels: readonly (readonly [name: string, value: string])[];
  value: number;
};

export type Family = {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram" | "summary";
  samples: readonly Sample[];
};

/** The text that a scrape gets. Families without samples are left out. */
export function exposition(families: readonly Family[]): string {
  let text = "";
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    for (const sample of samples) text += `${name}${sample.suffix}${labelsText(sample.labels)} ${sample.value}\n`;
  }
  return text;
}

function labelsText(labels: Sample["labels"]): string {
  if (labels.length === 0) return "";
  return `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",")}}`;
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

function escapeLabel(value: string): string {
  const escaped = value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
  return escaped.toWellFormed();
}

/** The families of several server processes as one list: each sample says with the label `server` whose it is. */
export function mergeFamilies(byServer: ReadonlyMap<string, readonly Family[]>): Family[] {
  const merged = new Map<string, Family & { samples: Sample[] }>();
  for (const [server, families] of byServer) {
    for (const family of families) {
      let into = merged.get(family.name);
      if (into === undefined) {
        into = { ...family, samples: [] };
        merged.set(family.name, into);
      }
      for (const sample of family.samples) {
        into.samples.push({ ...sample, labels: [["server", server], ...sample.labels] });
      }
    }
  }
  return [...merged.values()];
}
