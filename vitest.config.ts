import { defineConfig } from "vitest/config";
import { CountReporter } from "./tools/count-reporter.ts";

const exclude = ["**/node_modules/**", "dist/**", ".tools/**", "coverage/**"];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "all", include: ["**/*.test.ts"], exclude } },
      {
        // The tests through Envoy once more on the other transport: both pass the same suite.
        extends: true,
        test: {
          name: "grpc-js",
          include: ["test/e2e/envoy/*.test.ts"],
          exclude: [...exclude, ...["generated", "streamed-reply"].map((name) => `test/e2e/envoy/${name}.test.ts`)],
          env: { AGGLO_TRANSPORT: "grpc-js" },
        },
      },
      {
        // And with every body on a thread: what a section does is the same there.
        extends: true,
        test: {
          name: "pool",
          include: ["bodies", "formats", "bad-input"].map((name) => `test/e2e/envoy/${name}.test.ts`),
          exclude,
          env: { AGGLO_POOL: "all" },
        },
      },
    ],
    // Real processes (Envoy, pip, npm) on two busy cores: vitest's own 5 s would be a coin toss. The end-to-end tests
    // set more where they need it, up to 120 s.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // A process per file: sockets, environment and current folder of one file never leak into another.
    pool: "forks",
    // Threads that strip types from our files run Node's WebAssembly for it. V8 13 replaces the wrappers of its imports while
    // it runs, in a cache of the whole process, and now and then ends that with "Check failed: jit_page.has_value()" where
    // threads come and go. Wrappers made once are not replaced. What is built has no types to strip.
    execArgv: ["--no-wasm-generic-wrapper"],
    maxWorkers: 2,
    reporters: ["default", new CountReporter()],
  },
});
