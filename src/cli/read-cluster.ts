import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import { objectKey, resources } from "../kube/resources.ts";
import type { EnvoyFilter, ServiceEntry } from "../model/istio.ts";
import type { KubeObject, Stored } from "../model/kubernetes.ts";
import type { RegistryHub } from "../model/registryhub.ts";
import { isTerminating } from "../translate/read-back/namespace.ts";
import type { Cluster } from "./cluster-copy.ts";
import { DiffError } from "./diff.ts";
import { listAll, noneIfForbidden } from "./list-all.ts";
import { type NextSteps, unreadable } from "./unreadable.ts";

const nextSteps: NextSteps = {
  forbidden:
    "Ask for the right to list registryhubs and serviceentries in all namespaces, and envoyfilters in the root namespace.",
  typeMissing: "Install Istio's CRDs, of a release that has this version, or leave out --diff.",
};

/**
 * Lists the objects that the operator's workers read. Without the RegistryHub type there are no hubs. @throws
 * DiffError.
 */
export async function readCluster(client: KubeClient, rootNamespace: string): Promise<Cluster> {
  const known = listAll<Stored<RegistryHub>>(client, resources.registryHubs).catch((error: unknown) => {
    if (error instanceof KubeError && error.reason === "ResourceTypeMissing") return [];
    throw error;
  });
  // Those of other namespaces say whether the operator writes there; without the right to list them nobody misses them.
  const filters = listAll<Stored<EnvoyFilter>>(client, resources.envoyFilters)
    .catch(noneIfForbidden)
    .then(
      (all) =>
        all ?? listAll<Stored<EnvoyFilter>>(client, resources.envoyFilters, { namespace: rootNamespace }),
    );
  const open = listAll<KubeObject>(client, resources.namespaces)
    .then((listed) => new Set(listed.filter((one) => !isTerminating(one)).map(objectKey)))
    .catch(noneIfForbidden);
  try {
    const [hubs, serviceEntries, envoyFilters, namespaces] = await Promise.all([
      known,
      listAll<Stored<ServiceEntry>>(client, resources.serviceEntries),
      filters,
      open,
    ]);
    return { hubs, serviceEntries, envoyFilters, namespaces };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    throw new DiffError(unreadable(error, nextSteps), { cause: error });
  }
}
