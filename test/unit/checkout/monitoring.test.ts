import { globSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { createDubboMetrics, createHubMetrics } from "../../../src/runtime/metrics.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { checkout, codesOf, linesOf, rowsOf, sectionOf, textOf } from "../../support/markdown.ts";
import { alertRules, dashboardQueries, metricsIn } from "../../support/monitoring.ts";

const rules = alertRules();
const alerts = [...new Set(rules.map(({ alert }) => alert))].toSorted();
const namesIn = (files: string): readonly string[] =>
  globSync(files, { cwd: checkout })
    .map((path) => basename(path).replace(/\.\w+$/, ""))
    .toSorted();

/** The names that a scrape of both controllers shows. */
async function metricNames(): Promise<readonly string[]> {
  const texts = await Promise.all([createHubMetrics(fakeClock()).render(), createDubboMetrics().render()]);
  const names = texts.flatMap((text) =>
    [...text.matchAll(/^# TYPE (registryhub_\w+)/gm)].map(([, name = ""]) => name),
  );
  return [...new Set(names)].toSorted();
}

describe("each alert", () => {
  test("has a runbook and a test, and there is no other", () => {
    expect(namesIn("docs/runbooks/*.md")).toEqual(alerts);
    expect(namesIn("test/monitoring/alerts/*.yaml")).toEqual(alerts);
  });

  test.each(rules.map((rule) => ({ ...rule, severity: rule.labels.severity })))(
    "$alert ($severity) says what is the matter, and where to read on",
    ({ alert, severity, annotations }) => {
      expect(["warning", "critical"]).toContain(severity);
      expect(annotations.summary).toMatch(/^.{20,120}\.$/);
      expect(annotations.description).toMatch(/^.{60,400}\.$/);
      expect(annotations.runbook_url).toBe(`docs/runbooks/${alert}.md`);
    },
  );

  test.each(alerts)("%s has the four parts of a runbook", (alert) => {
    const headings = linesOf(textOf(`docs/runbooks/${alert}.md`))
      .map(({ line }) => line)
      .filter((line) => line.startsWith("#"));
    expect(headings).toEqual([`# ${alert}`, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]);
  });
});

describe("the operator's metrics", () => {
  test("are all explained in operations.md, and no others", async () => {
    const section = sectionOf(textOf("docs/operations.md"), "## Metrics, health, logs, Events");
    const explained = rowsOf(section).flatMap(([cell = ""]) => codesOf(cell));
    const names = explained.filter((name) => name.startsWith("registryhub_"));
    expect(names.toSorted()).toEqual(await metricNames());
  });

  test.each([
    ["the alerts", rules.map(({ expr, annotations }) => expr + annotations.description).join("\n")],
    [
      "the dashboard",
      dashboardQueries()
        .map(({ expr }) => expr)
        .join("\n"),
    ],
  ])("are what %s ask for", async (_, text) => {
    const names = await metricNames();
    expect(metricsIn(text).length).toBeGreaterThan(5);
    expect(metricsIn(text).filter((name) => !names.includes(name))).toEqual([]);
  });
});
