/** Reads Prometheus' text format strictly: whatever promtool would refuse or complain of is an error here. */

/** Values by series, `name{label="value",…}`, in the order of the text. */
export function readExposition(text: string): Map<string, number> {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  const series = new Map<string, number>();
  const types = new Map<string, string>();
  const helped = new Set<string>();
  let family = "";
  for (const line of text.split("\n").slice(0, -1)) {
    const help = /^# HELP ([a-z_:][a-z0-9_:]*) ([^\n]+)$/.exec(line);
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (help !== null) {
      family = help[1] as string;
      if (helped.has(family)) throw new Error(`HELP twice: ${line}`);
      helped.add(family);
    } else if (type !== null) {
      if (type[1] !== family || types.has(family)) throw new Error(`TYPE without its HELP: ${line}`);
      types.set(family, type[2] as string);
      checkName(family, type[2] as string);
    } else {
      const [name, value] = readSample(line, family, types.get(family));
      if (series.has(name)) throw new Error(`the same series twice: ${line}`);
      series.set(name, value);
    }
  }
  for (const [name, type] of types) if (type === "histogram") checkHistogram(name, series);
  return series;
}

const SAMPLE =
  /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (-?(?:\d[\d.]*(?:e[+-]?\d+)?|Inf)|NaN|\+Inf)$/;

function readSample(line: string, family: string, type: string | undefined): [string, number] {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const labels = [...(match[2] ?? "").matchAll(/([a-z_]\w*)="(?:[^"\\\n]|\\[\\"n])*"/g)].map((label) => label[1]);
  if (new Set(labels).size < labels.length) throw new Error(`a label twice: ${line}`);
  if (labels.includes("le") && type !== "histogram") throw new Error(`le outside of a histogram: ${line}`);
  if (labels.includes("quantile") && type !== "summary") throw new Error(`quantile outside of a summary: ${line}`);
  const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  if (!suffixes.some((suffix) => match[1] === family + suffix)) throw new Error(`a sample of another family: ${line}`);
  return [`${match[1]}${match[2] ?? ""}`, Number((match[3] as string).replace("Inf", "Infinity"))];
}

// prometheus.io, "Metric and label naming": base units, and counters end in _total.
function checkName(name: string, type: string): void {
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`);
  if (/_(ms|us|ns|milliseconds|kb|kilobytes|minutes)(_|$)/.test(name)) throw new Error(`${name}: no base unit`);
}

function checkHistogram(name: string, series: ReadonlyMap<string, number>): void {
  let before = 0;
  for (const [key, value] of series) {
    if (!key.startsWith(`${name}_`)) continue;
    if (key.startsWith(`${name}_bucket`)) {
      const isFirst = key.includes('le="0.00005"');
      if (!isFirst && value < before) throw new Error(`${key}: less than the bucket before`);
      before = value;
    } else if (key.startsWith(`${name}_count`) && value !== before) {
      throw new Error(`${key}: not what the +Inf bucket says`);
    }
  }
}
