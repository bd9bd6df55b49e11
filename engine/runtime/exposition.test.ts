import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { COUNTER_NAMES } from "./counter-names.ts";
import { exposition, type Family, mergeFamilies } from "./exposition.ts";
import { family, newMetrics } from "./metrics.ts";
import { newProcessMetrics } from "./process-metrics.ts";
import { readExposition } from "./testing/exposition-reader.ts";

test("whatever stands in a label, the text is well-formed and no series more", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: "binary", maxLength: 20 }), { selector: (label) => label.toWellFormed() }),
      fc.string(),
      (labels, help) => {
        const metrics = newMetrics();
        const labelled = labels.map((label, i) => [[["a", label.toWellFormed()]], i] as const);
        metrics.add(() => [family("gauge", "agglo_test", `x${help}`, labelled)]);
        for (const label of [...labels, "\ud800", "\udfff"]) metrics.pipelines.observe(label, 1);
        for (const label of [...labels, "\ud800", "\udfff"]) metrics.counters.add("spawned", label, 1);
        const series = readExposition(exposition(metrics.families()));
        const gauges = [...series.keys()].filter((name) => name.startsWith("agglo_test"));
        expect(gauges).toHaveLength(labels.length);
      },
    ),
  );
});

test("what a process tells of itself is well-formed, in base units", () => {
  const metrics = newProcessMetrics("1.2.3");
  const series = readExposition(exposition(metrics.families()));
  metrics.stop();
  expect(series.get(`agglo_build_info{version="1.2.3",node="${process.version}"}`)).toBe(1);
  expect(series.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
  expect(series.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
  const start = series.get("process_start_time_seconds") ?? 0;
  expect(Math.abs(start + process.uptime() - Date.now() / 1000)).toBeLessThan(60);
});

test("of several processes each series says whose it is, and a family's text stands once", () => {
  const one: Family[] = [family("counter", "agglo_a_total", "A.", 1)];
  const two: Family[] = [family("counter", "agglo_a_total", "A.", 2), family("gauge", "agglo_b", "B.", 3)];
  const merged = mergeFamilies(
    new Map([
      ["0", one],
      ["1", two],
    ]),
  );
  expect(exposition(merged)).toBe(
    [
      ...["# HELP agglo_a_total A.", "# TYPE agglo_a_total counter"],
      ...['agglo_a_total{server="0"} 1', 'agglo_a_total{server="1"} 2'],
      ...["# HELP agglo_b B.", "# TYPE agglo_b gauge", 'agglo_b{server="1"} 3', ""],
    ].join("\n"),
  );
  expect(one[0]?.samples).toHaveLength(1);
});

test("every counter that the sources name has a text for operators", () => {
  const folder = fileURLToPath(new URL("../..", import.meta.url));
  const files = globSync(["engine/**/*.ts", "extproc/**/*.ts"], { cwd: folder }).filter(
    (file) => !file.includes(".test.") && !file.includes("testing"),
  );
  const named = files.flatMap((file) => {
    const text = readFileSync(`${folder}/${file}`, "utf8");
    return [...text.matchAll(/counters\??\.add\(\s*"(\w+)"/g)].map((match) => match[1] as string);
  });
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => COUNTER_NAMES[name] === undefined)).toEqual([]);
});
