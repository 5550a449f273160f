import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { prometheusPrograms } from "../bed/prometheus.ts";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { checkout } from "../support/markdown.ts";
import { type RuleGroups, ruleGroups } from "../support/monitoring.ts";

const source = join(checkout, "test/monitoring/alerts");
const files = readdirSync(source);

/** A folder with the tests of all alerts and these rules beside them. */
function folderWith(rules: RuleGroups): string {
  const { path } = temporaryFolder("alerts");
  cpSync(source, path, { recursive: true });
  writeFileSync(join(path, "rules.yaml"), JSON.stringify(rules)); // JSON is YAML
  return path;
}

/** What promtool says. @throws Error with it when something is wrong. */
async function promtool(folder: string, ...args: readonly string[]): Promise<string> {
  const programs = await prometheusPrograms();
  return run(programs.promtool, [...args], { cwd: folder });
}

/** One of the tests in a file of test/monitoring/alerts. Source: prometheus, cmd/promtool/unittest.go. */
interface Story {
  readonly alert_rule_test: readonly { readonly exp_alerts: readonly unknown[] }[];
}

describe("promtool", () => {
  let folder: string;
  beforeAll(() => {
    folder = folderWith(ruleGroups());
  });

  test("takes the rules", async () => {
    await promtool(folder, "check", "rules", "rules.yaml");
  });

  test.each(files)("sees that what %s tells of alerts is true", async (file) => {
    await promtool(folder, "test", "rules", file);
  });

  test("sees when an alert does not wait for as long as it should", async () => {
    const impatient = ruleGroups().groups.map(({ name, rules }) => ({
      name,
      rules: rules.map((rule) => ({ ...rule, for: "0m" })),
    }));
    const other = folderWith({ groups: impatient });
    for (const file of files) await expect(promtool(other, "test", "rules", file)).rejects.toThrow("FAILED");
  });
});

test.each(files)(
  "%s tells when the alert does not fire, when it does, and when it no longer does",
  (file) => {
    const { tests } = parse(readFileSync(join(source, file), "utf8")) as { readonly tests: readonly Story[] };
    const [first = { alert_rule_test: [] }] = tests;
    expect(first.alert_rule_test.map(({ exp_alerts }) => exp_alerts.length)).toEqual([0, 1, 0]);
  },
);
