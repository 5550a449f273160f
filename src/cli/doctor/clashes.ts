import { objectKey } from "../../kube/resources.ts";
import { fieldsOf, listOf, textOf } from "../../translate/read-back/json.ts";
import { addressesOf, ownershipOf } from "../../translate/read-back/service-entry.ts";
import { type Finding, type Findings, fault, named } from "./finding.ts";
import { overlap } from "./networks.ts";
import type { Sight } from "./sight.ts";

/** What Istio 1.25 and newer give to ServiceEntries without addresses. Source: istio pilot/pkg/features, PILOT_IP_AUTOALLOCATE_IPV4_PREFIX. */
const istiosRange = "240.240.0.0/16";

/** Who else has addresses of the range of the virtual IPs. */
export function clashFindings({ services, nodes, objects, settings: { vipCidr } }: Sight): Findings {
  const isIn = (address: string): boolean => overlap(address, vipCidr);
  const foreign = [...objects.serviceEntries.values()].filter((one) => ownershipOf(one) === "foreign");
  const entries = foreign.filter((one) => addressesOf(one).some(isIn));
  const allocated = foreign.filter((one) => allocatedTo(one.status).some(isIn));
  return [
    ...clash(
      "Services",
      (services ?? []).filter(({ clusterIPs }) => clusterIPs.some(isIn)).map(keyOf),
      vipCidr,
    ),
    ...clash(
      "pods of nodes",
      (nodes ?? []).filter(({ podCIDRs }) => podCIDRs.some(isIn)).map(({ name }) => name),
      vipCidr,
    ),
    ...clash("ServiceEntries of others", entries.map(objectKey), vipCidr),
    ...(overlap(vipCidr, istiosRange) && allocated.length > 0
      ? [
          fault(
            "Istio gives virtual IPs from the operator's range to ServiceEntries of others",
            `--vip-cidr=${vipCidr} overlaps ${istiosRange}; from there ${named(allocated.map(objectKey))} got theirs`,
            "Give the hub-controller a --vip-cidr beside it, or set PILOT_ENABLE_IP_AUTOALLOCATE=false in istiod.",
          ),
        ]
      : []),
  ];
}

function clash(whose: string, names: readonly string[], vipCidr: string): readonly Finding[] {
  if (names.length === 0) return [];
  return [
    fault(
      `${whose} have addresses in the range of the virtual IPs, so calls may reach either`,
      `${named(names)}: in ${vipCidr} (--vip-cidr)`,
      whose.startsWith("ServiceEntries")
        ? "Give those entries other addresses."
        : "Give the hub-controller a --vip-cidr that nobody uses; hosts keep the addresses that they have, so do it before the first hub.",
    ),
  ];
}

/** Source: istio.io/api networking/v1, ServiceEntryStatus. */
const allocatedTo = (status: unknown): readonly string[] =>
  listOf(fieldsOf(status).addresses).flatMap((one) => textOf(fieldsOf(one).value) ?? []);

const keyOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  `${namespace}/${name}`;
