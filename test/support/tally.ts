import type { Reporter, TestCase, TestModule } from "vitest/node";

/** The last lines of a run: each failed test with the first line of its error, then the sum over all suites. */
export const tally: Reporter = {
  onTestRunEnd(modules, unhandledErrors) {
    const failures = [
      ...modules.flatMap((module) => [...module.children.allTests("failed")].map(failedTest)),
      ...modules.filter(isBroken).map((module) => failure(module.relativeModuleId, module.errors())),
      ...unhandledErrors.map((error) => failure("outside of any test", [error])),
    ];
    const passed = modules.reduce((sum, module) => sum + [...module.children.allTests("passed")].length, 0);
    const lines = ["", ...failures, `${passed} passed, ${failures.length} failed`, ""];
    process.stdout.write(lines.join("\n"));
  },
};

/** A file that failed without a failed test: it counts as one. */
function isBroken(module: TestModule): boolean {
  return module.state() === "failed" && [...module.children.allTests("failed")].length === 0;
}

function failedTest(test: TestCase): string {
  return failure(`${test.module.relativeModuleId} › ${test.fullName}`, test.result().errors ?? []);
}

function failure(where: string, errors: readonly { message: string }[]): string {
  return `✗ ${where}: ${errors[0]?.message.split("\n")[0] ?? "no error was given"}`;
}
