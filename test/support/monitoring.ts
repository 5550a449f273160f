import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkout } from "./markdown.ts";

const folder = join(checkout, "config/components/monitoring");

/** One rule of the PrometheusRule. Source: prometheus-operator, pkg/apis/monitoring/v1/prometheusrule_types.go (Rule). */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook_url", string>>;
}

/** The groups of config/components/monitoring/alerts.yaml: what a file of rules has for a Prometheus without an operator. */
export interface RuleGroups {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export function ruleGroups(): RuleGroups {
  const manifest = parse(readFileSync(join(folder, "alerts.yaml"), "utf8")) as { readonly spec: RuleGroups };
  return manifest.spec;
}

/** All rules; several may be of one alert. */
export const alertRules = (): readonly AlertRule[] => ruleGroups().groups.flatMap(({ rules }) => rules);

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** A query of the dashboard, as Grafana sends it. */
export interface PanelQuery {
  readonly panel: string;
  readonly expr: string;
}

/** The queries of all panels; the variables have the values that stand for everything. */
export function dashboardQueries(): readonly PanelQuery[] {
  const { panels } = JSON.parse(readFileSync(join(folder, "dashboard.json"), "utf8")) as Dashboard;
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$hub", ".+"),
    })),
  );
}

/** The operator's metrics in an expression or a text, by name, without what Prometheus makes of a histogram. */
export const metricsIn = (text: string): readonly string[] =>
  [...new Set(text.match(/\bregistryhub_[a-z_]+/g) ?? [])].map((name) =>
    name.replace(/(?<=_seconds)_(bucket|count|sum)$/, ""),
  );
