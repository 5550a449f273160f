import type { KubeClient } from "../../kube/client.ts";
import type { Lease } from "../../kube/lease.ts";
import { resources } from "../../kube/resources.ts";
import type { DestinationRule, EnvoyFilter, ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers, labels } from "../../model/labels.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { listAll, listSeen, noneIfForbidden } from "../list-all.ts";
import type { Found } from "./plan.ts";

/** What was found, and what there was no right to see. */
export interface Look {
  readonly found: Found;
  readonly unseen: readonly string[];
}

/** Lists everything that may be the operator's. A type that the cluster does not have has no objects. @throws KubeError. */
export async function lookForOurs(
  client: KubeClient,
  {
    rootNamespace,
    leaderElectNamespace,
  }: { readonly rootNamespace: string; readonly leaderElectNamespace: string },
): Promise<Look> {
  const madeBy = (manager: string) => ({ labelSelector: `${labels.managedBy}=${manager}` });
  const { registryhub, dubbo } = fieldManagers;
  const [hubs, serviceEntries, destinationRules, envoyFilters, leases] = await Promise.all([
    listSeen<Stored<RegistryHub>>(client, resources.registryHubs, []),
    listSeen<Stored<ServiceEntry>>(client, resources.serviceEntries, [], madeBy(registryhub)),
    listSeen<Stored<DestinationRule>>(client, resources.destinationRules, [], madeBy(registryhub)),
    listSeen<Stored<EnvoyFilter>>(client, resources.envoyFilters, [rootNamespace], madeBy(dubbo)),
    listAll<Lease>(client, resources.leases, { namespace: leaderElectNamespace }).catch(noneIfForbidden),
  ]);
  const isMissingType = (text: string): boolean => text.startsWith("the cluster has no ");
  return {
    found: {
      hubs: hubs.objects,
      serviceEntries: serviceEntries.objects,
      destinationRules: destinationRules.objects,
      envoyFilters: envoyFilters.objects,
      leases: leases ?? [],
    },
    unseen: [hubs, serviceEntries, destinationRules, envoyFilters]
      .flatMap(({ unseen }) => unseen ?? [])
      .filter((text) => !isMissingType(text)),
  };
}
