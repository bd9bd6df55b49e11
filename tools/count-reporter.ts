/** vitest's last line, alone on its line, for whoever counts tests: `N passed, N failed, N skipped`. */
import type { Reporter, TestCase, TestModule } from "vitest/node";

export class CountReporter implements Reporter {
  /** A file that does not load, or a hook that fails, has no failed test of its own and counts as one. */
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      const before = counts.failed;
      for (const test of module.children.allTests()) counts[stateOf(test)]++;
      if (!module.ok() && counts.failed === before) counts.failed++;
    }
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
    // After the summary of vitest's own reporter, which may still be writing.
    process.once("exit", () => process.stdout.write(line));
  }
}

function stateOf(test: TestCase): "passed" | "failed" | "skipped" | "pending" {
  return test.result().state;
}
