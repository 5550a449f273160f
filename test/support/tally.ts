import { appendFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** What became of a run: how many tests passed, and for each that failed its name and its error {@link inBrief}. */
export interface Tally {
  readonly passed: number;
  readonly failures: readonly string[];
}

/** A line of the file that {@link RESULTS} names: how many files there are, one that has ended, and at last the tally. */
export type ResultLine = { readonly files: number } | { readonly ended: string } | Tally;

/** The environment variable with the path of a file for the results. Without it they are printed. */
export const RESULTS = "TEST_RESULTS";

/** The last lines of a run: each failed test, then the sum over all suites; or all of that for whoever runs several. */
export const tally: Reporter = {
  onTestRunStart: (files) => note({ files: files.length }),
  onTestModuleEnd: ({ relativeModuleId }) => note({ ended: relativeModuleId }),
  onTestRunEnd(modules, unhandledErrors) {
    const failures = [
      ...modules.flatMap((module) => [...module.children.allTests("failed")].map(failedTest)),
      ...modules.filter(isBroken).map((module) => failure(module.relativeModuleId, module.errors())),
      ...unhandledErrors.map((error) => failure("outside of any test", [error])),
    ];
    const passed = modules.reduce((sum, module) => sum + [...module.children.allTests("passed")].length, 0);
    if (process.env[RESULTS]) note({ passed, failures });
    else process.stdout.write(`\n${linesOf({ passed, failures })}`);
  },
};

/** A tally as it ends a run. */
export function linesOf({ passed, failures }: Tally): string {
  return [...failures, `${passed} passed, ${failures.length} failed`, ""].join("\n");
}

function note(line: ResultLine): void {
  const path = process.env[RESULTS];
  if (path) appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** A file that failed without a failed test: it counts as one. */
function isBroken(module: TestModule): boolean {
  return module.state() === "failed" && [...module.children.allTests("failed")].length === 0;
}

function failedTest(test: TestCase): string {
  return failure(`${test.module.relativeModuleId} › ${test.fullName}`, test.result().errors ?? []);
}

function failure(where: string, errors: readonly { message: string }[]): string {
  return `✗ ${where}: ${inBrief(errors[0]?.message ?? "no error was given")}`;
}

const LAST_LINES = 4;

/** The first line of an error, and the last ones that are no stack frames: of a server that failed, they are its log's. */
export function inBrief(message: string): string {
  const [first = "", ...rest] = message.split("\n").filter((line) => !/^\s+at /.test(line));
  return [first, ...rest.slice(-LAST_LINES).map((line) => `    ${line}`)].join("\n");
}
