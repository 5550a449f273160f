import { counted } from "../output.ts";
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
import { isWhole, type Sight } from "./sight.ts";

/** A question about the cluster. */
interface Check {
  readonly look: (sight: Sight) => Findings;
  /** The types of which it has to see all objects to say that nothing is wrong. */
  readonly needs: readonly string[];
}

const check = (look: Check["look"], ...needs: readonly string[]): Check => ({ look, needs });

const hosts = "serviceentries";

/** Every check of the cluster, those first whose findings explain others. */
export const checks: Readonly<Record<string, Check>> = {
  istio: check(istioFindings, "pods"),
  crd: check(crdFindings),
  leaders: check(leaderFindings),
  rights: check(rightFindings),
  hubs: check(hubFindings, "registryhubs"),
  "root namespace": check(rootNamespaceFindings),
  filters: check(filterFindings, hosts),
  visibility: check(visibilityFindings, "registryhubs"),
  DNS: check(dnsFindings, "pods"),
  "outbound ranges": check(outboundFindings, "pods"),
  Sidecars: check(sidecarFindings, "pods", "sidecars", hosts),
  "virtual IPs": check(clashFindings, "services", "nodes", hosts),
  DestinationRules: check(ruleFindings, "destinationrules", hosts),
  VirtualServices: check(orderFindings, "virtualservices", hosts),
  "mTLS off": check(disabledFindings, hosts),
  "mTLS demanded": check(strictFindings, "pods", hosts),
  registries: check(registryFindings, "pods", "services", "registryhubs"),
};

/** What the checks found. */
export interface Diagnosis {
  /** Faults first. */
  readonly findings: readonly (Finding & { readonly check: string })[];
  readonly fine: readonly string[];
  /** Checks that found nothing, and lack something that they need to say that nothing is wrong. */
  readonly unknown: readonly string[];
  /** What there was no right to see. */
  readonly unseen: readonly string[];
  /** One sentence. */
  readonly answer: string;
}

/** Makes every check. */
export function diagnosis(sight: Sight): Diagnosis {
  const made = Object.entries(checks).map(([name, { look, needs }]) => {
    const findings = look(sight);
    const found = (findings ?? []).map((one) => ({ check: name, ...one }));
    const isAllSeen = findings !== undefined && needs.every((type) => isWhole(sight, type));
    return { name, found, isKnown: found.length > 0 || isAllSeen };
  });
  const all = made.flatMap(({ found }) => found);
  const faults = all.filter(({ severity }) => severity === "fault");
  const cautions = all.filter(({ severity }) => severity === "caution");
  const unknown = made.filter(({ isKnown }) => !isKnown).map(({ name }) => name);
  const fine = made.filter(({ found, isKnown }) => isKnown && found.length === 0).map(({ name }) => name);
  return {
    findings: [...faults, ...cautions],
    fine,
    unknown,
    unseen: [...sight.unseen, ...sight.unseenOfOperator],
    answer: answerFor(faults.length, unknown.length, made.length),
  };
}

function answerFor(faults: number, unknown: number, checked: number): string {
  const outcome =
    faults === 0 ? "Nothing is wrong" : `${counted(faults, "thing")} ${faults === 1 ? "is" : "are"} wrong`;
  if (unknown === 0) return `${outcome}.`;
  return `${outcome}, as far as you may see: ${unknown} of ${checked} checks lack what they need.`;
}
