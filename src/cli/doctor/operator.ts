import type { Lease } from "../../kube/lease.ts";
import { fieldManagers } from "../../model/labels.ts";
import { controllerOf, isHeld } from "../leases.ts";
import { ageOf, counted } from "../output.ts";
import { type Findings, fault, named } from "./finding.ts";
import type { Sight } from "./sight.ts";

/** The fields of a RegistryHub's spec that this version reads; a CRD without one drops it without a word. */
export const specFields = [
  "address",
  "consul",
  "eureka",
  "exportTo",
  "generate_to",
  "identity",
  "instances",
  "l7",
  "nacos",
  "outlierDetection",
  "policy",
  "protocol",
  "secretRef",
  "services",
  "subjectAltNames",
  "suspend",
  "tls",
  "type",
  "zookeeper",
] as const;

/** Istio's releases that docs/operations.md is about. */
const supported = { from: 18, to: 31 };

/** Who leads. Each lane has a Lease of its own. */
export function leaderFindings({
  leases,
  now,
  settings: { leaderElectNamespace: namespace },
}: Sight): Findings {
  if (leases === undefined) return undefined;
  return Object.values(fieldManagers).flatMap((controller) => {
    const own = leases.filter((one) => controllerOf(one) === controller);
    const effect =
      controller === fieldManagers.dubbo
        ? "filters do not follow the services"
        : "entries do not follow the registries";
    const notLed = (name: string, cause: string) =>
      fault(
        `nobody leads as ${name}, so ${effect}`,
        `Lease ${namespace}/${name} ${cause}`,
        `See why no process of it is ready: kubectl get pods -n ${namespace}; kubectl logs -n ${namespace} deployment/${controller}`,
      );
    if (own.length === 0)
      return [
        notLed(controller, "does not exist: the controller never ran here, or runs without --leader-elect"),
      ];
    return own.filter((one) => !isHeld(one, now)).map((one) => notLed(one.metadata.name, lapseOf(one, now)));
  });
}

function lapseOf({ spec = {} }: Lease, now: number): string {
  const { holderIdentity, renewTime = "", leaseDurationSeconds = 0 } = spec;
  if (!holderIdentity) return "has no holder";
  return `was last renewed ${ageOf(renewTime, now)} ago, by ${holderIdentity}, and holds for ${leaseDurationSeconds}s`;
}

/** An upgrade of the Deployments does not upgrade the CRD. */
export function crdFindings({ specFields: known }: Sight): Findings {
  if (known === undefined) return undefined;
  const missing = specFields.filter((name) => !known.has(name));
  if (missing.length === 0) return [];
  return [
    fault(
      `the CRD of RegistryHub is older than this program: the API server drops ${counted(missing.length, "field")} of hubs without a word`,
      `CustomResourceDefinition registryhubs.ecns.easystack.cn lacks spec.${missing.join(", spec.")}`,
      "kubectl apply -k config/crd, and apply the hubs again.",
    ),
  ];
}

/** A cluster without Istio's types, and an istiod that nobody tried. */
export function istioFindings({ objects, pods }: Sight): Findings {
  const missing = objects.unseen.filter((one) => /^the cluster has no (service|destin|envoy)/.test(one));
  if (missing.length > 0)
    return [
      fault(
        "Istio's CRDs are missing, so hubs write nothing",
        missing.join("; "),
        "Install Istio; the operator retries by itself.",
      ),
    ];
  const versions = (pods ?? []).flatMap(({ labels, image }) => {
    const [, minor] = (labels.app === "istiod" && /:v?1\.(\d+)(?:[.-]|$)/.exec(image)) || [];
    return minor === undefined ? [] : [{ image, minor: Number(minor) }];
  });
  const odd = versions.filter(({ minor }) => minor < supported.from || minor > supported.to);
  if (odd.length === 0) return [];
  return [
    fault(
      "this version of Istio was not tried with the operator",
      `istiod runs ${named(odd.map(({ image }) => image))}; tried are 1.${supported.from} to 1.${supported.to}`,
      'See "Istio versions" in docs/operations.md.',
    ),
  ];
}
