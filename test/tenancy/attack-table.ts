import type { Reporter, TestModule } from "vitest/node";
import { rowsOf, sectionOf, testsNamedIn, textOf } from "../support/markdown.ts";

/** What became of a test: its own word, or `elsewhere` for one of another suite, which did not run. */
type Outcome = "passed" | "failed" | "skipped" | "pending" | "elsewhere" | "not found";

/** A test that ran. */
export interface Ran {
  /** Its path in the checkout. */
  readonly file: string;
  /** With the titles of its `describe`s. */
  readonly title: string;
  readonly outcome: Outcome;
}

const symbols: Readonly<Record<Outcome, string>> = {
  passed: "✓",
  failed: "✗",
  skipped: "-",
  pending: "-",
  elsewhere: " ",
  "not found": "?",
};

/** The table of docs/security.md as lines: each attack, what stops it, and what became of each test that it names. */
export function attackLines(security: string, ran: readonly Ran[]): readonly string[] {
  return rowsOf(sectionOf(security, "## Attacks, and what stops each")).flatMap(([attack = "", ...cells]) => {
    const outcomes = testsNamedIn(cells.at(-1) ?? "").flatMap(({ file, title }) => {
      const found = ran.filter((one) => one.file === file && matcherOf(title).test(one.title));
      const missing: Ran = {
        file,
        title,
        outcome: ran.some((one) => one.file === file) ? "not found" : "elsewhere",
      };
      return found.length > 0 ? found : [missing];
    });
    const stops = (cells[0] ?? "").replaceAll("`", "");
    return [
      `${attack.replaceAll("`", "")}: ${stops}`,
      ...[...new Set(outcomes)].map(
        ({ file, title, outcome }) => `  ${symbols[outcome]} ${outcome}: ${file} › ${title}`,
      ),
    ];
  });
}

/** A title as a file has it, whose parts `%s` and `$name` are the test's own. */
const matcherOf = (title: string): RegExp =>
  new RegExp(
    title
      .split(/%[sijdo]|\$\w+/)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*"),
  );

const isOurs = ({ project }: TestModule): boolean => project.name === "tenancy";

/** Prints the table after a run that had the suite `tenancy`. */
export const attackTable: Reporter = {
  onTestRunEnd(modules) {
    const ran = modules.filter(isOurs).flatMap((module) =>
      [...module.children.allTests()].map(
        (one): Ran => ({
          file: `test/${module.moduleId.split("/test/").at(-1)}`,
          title: one.fullName,
          outcome: one.result().state,
        }),
      ),
    );
    if (ran.length === 0) return;
    const lines = attackLines(textOf("docs/security.md"), ran);
    process.stdout.write(`\nThe attacks of docs/security.md:\n${lines.join("\n")}\n`);
  },
};
