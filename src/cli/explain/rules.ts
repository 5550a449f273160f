import type { HostObject } from "../../controllers/writes/entry-index.ts";
import { objectKey } from "../../kube/resources.ts";
import { splitKey } from "../../model/keys.ts";
import { type Refusal, rulesOf } from "../../translate/dubbo-rules.ts";
import { isDefaultRule } from "../../translate/read-back/destination-rule.ts";
import { filterFactsOf, rulesInForceOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import { subsetFactsOf } from "../../translate/read-back/subsets.ts";
import { hostNamesOf } from "../../translate/read-back/virtual-service.ts";
import type { Objects } from "./objects.ts";

/** A VirtualService or DestinationRule for the host. */
export interface RuleReport {
  readonly kind: "VirtualService" | "DestinationRule";
  /** "<namespace>/<name>". */
  readonly key: string;
  readonly verdict: "in force" | "refused" | "for Istio alone";
  /** In words; "" = there is nothing to say. */
  readonly detail: string;
}

/** Those that name the host, or may mean it. Only of Dubbo services the operator makes rules. */
export function rulesFor(
  host: string,
  namespace: string,
  found: HostObject | undefined,
  objects: Objects,
): readonly RuleReport[] {
  const isDubbo = found?.entry?.ours === true && found.entry.shape.protocol === "dubbo";
  const inForce = found && isDubbo ? rulesInForceFor(found, objects) : "";
  const virtualServices = objects.virtualServices.flatMap((one): readonly RuleReport[] => {
    const { full, short, wildcards } = hostNamesOf(one);
    const isNamed = full.includes(host) || short.includes(host);
    const isMeant = isNamed || wildcards.some((wildcard) => host.endsWith(wildcard.slice(1)));
    const key = objectKey(one);
    if (!isMeant || splitKey(key)[0] !== namespace) return [];
    if (!isDubbo) return [{ kind: "VirtualService", key, verdict: "for Istio alone", detail: "" }];
    if (key === inForce) {
      const said = objects.refusals.get(key);
      const detail = said ? `as it was before it was last refused, if it still is: ${said}` : "";
      return [{ kind: "VirtualService", key, verdict: "in force", detail }];
    }
    const port = found?.entry?.shape.port;
    const verdict = rulesOf(one.spec, { host, port });
    const detail = "refusal" in verdict ? textOf(verdict.refusal) : (objects.refusals.get(key) ?? unsaid);
    return [{ kind: "VirtualService", key, verdict: "refused", detail }];
  });
  const destinationRules = objects.destinationRules.flatMap((one): readonly RuleReport[] => {
    const facts = subsetFactsOf(one);
    const isMeant = facts.host === host || (facts.host.startsWith("*") && host.endsWith(facts.host.slice(1)));
    if (!isMeant) return [];
    const subsets = facts.subsets.size > 0 ? `subsets ${[...facts.subsets.keys()].join(", ")}` : "no subsets";
    const detail = isDefaultRule(one) ? "the operator's own, for spec.outlierDetection" : subsets;
    return [{ kind: "DestinationRule", key: objectKey(one), verdict: "in force", detail }];
  });
  return [...virtualServices, ...destinationRules];
}

/** The dubbo-controller's Event has passed, or it does not make rules. */
const unsaid =
  "its rules are not in force: another VirtualService of the host is older, a subset is missing, or the dubbo-controller has not looked yet";

/** "<namespace>/<name>" of the VirtualService whose rules are in force; "" = none. */
function rulesInForceFor({ object }: HostObject, { envoyFilters = [] }: Objects): string {
  for (const filter of envoyFilters) {
    const { isOurs, serviceEntry, slot } = filterFactsOf(filter);
    if (isOurs && slot === rulesSlot && serviceEntry === objectKey(object))
      return rulesInForceOf(filter)?.virtualService ?? "";
  }
  return "";
}

const textOf = ({ reason, field, detail }: Refusal): string => `${reason}: ${field} ${detail}`;
