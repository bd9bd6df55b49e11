import { defineConfig } from "vitest/config";
import { CountReporter } from "./tools/count-reporter.ts";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ".tools/**", "coverage/**"],
    // Real processes (Envoy, pip, npm) on two busy cores: vitest's own 5 s would be a coin toss. The end-to-end tests
    // set more where they need it, up to 120 s.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // A process per file: sockets, environment and current folder of one file never leak into another.
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", new CountReporter()],
  },
});
