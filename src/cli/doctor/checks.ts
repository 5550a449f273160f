import { clashFindings } from "./clashes.ts";
import type { Finding, Findings } from "./finding.ts";
import { filterFindings, hubFindings } from "./hubs.ts";
import { disabledFindings, strictFindings } from "./identity.ts";
import { dnsFindings, outboundFindings, rootNamespaceFindings, visibilityFindings } from "./mesh.ts";
import { crdFindings, istioFindings, leaderFindings } from "./operator.ts";
import { registryFindings } from "./registries.ts";
import { rightFindings } from "./rights.ts";
import { orderFindings } from "./route-order.ts";
import { ruleFindings } from "./rules.ts";
import { sidecarFindings } from "./sidecars.ts";
import type { Sight } from "./sight.ts";

/** Every check of the cluster, those first whose findings explain others. */
export const checks: Readonly<Record<string, (sight: Sight) => Findings>> = {
  istio: istioFindings,
  crd: crdFindings,
  leaders: leaderFindings,
  rights: rightFindings,
  hubs: hubFindings,
  "root namespace": rootNamespaceFindings,
  filters: filterFindings,
  visibility: visibilityFindings,
  DNS: dnsFindings,
  "outbound ranges": outboundFindings,
  Sidecars: sidecarFindings,
  "virtual IPs": clashFindings,
  DestinationRules: ruleFindings,
  VirtualServices: orderFindings,
  "mTLS off": disabledFindings,
  "mTLS demanded": strictFindings,
  registries: registryFindings,
};

/** What the checks found. */
export interface Diagnosis {
  /** Faults first. */
  readonly findings: readonly (Finding & { readonly check: string })[];
  readonly fine: readonly string[];
  /** Checks that could not be made, because what they need is not seen. */
  readonly notMade: readonly string[];
  /** What there was no right to see. */
  readonly unseen: readonly string[];
  /** One sentence. */
  readonly answer: string;
}

/** Makes every check. */
export function diagnosis(sight: Sight): Diagnosis {
  const made = Object.entries(checks).map(([check, make]) => ({ check, findings: make(sight) }));
  const all = made.flatMap(({ check, findings = [] }) => findings.map((one) => ({ check, ...one })));
  const faults = all.filter(({ severity }) => severity === "fault");
  const cautions = all.filter(({ severity }) => severity === "caution");
  const fine = made.filter(({ findings }) => findings?.length === 0).map(({ check }) => check);
  const notMade = made.filter(({ findings }) => findings === undefined).map(({ check }) => check);
  const outcome =
    faults.length === 0
      ? "Nothing is wrong"
      : `${faults.length} ${faults.length === 1 ? "thing is" : "things are"} wrong`;
  const limits =
    notMade.length > 0
      ? `, as far as you may see: ${notMade.length} of ${made.length} checks could not be made`
      : "";
  return {
    findings: [...faults, ...cautions],
    fine,
    notMade,
    unseen: [...sight.unseen, ...sight.unseenOfOperator],
    answer: `${outcome}${limits}.`,
  };
}
