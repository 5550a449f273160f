import { KubeError } from "../kube/errors.ts";
import { objectPath, resources } from "../kube/resources.ts";
import type { Stored } from "../model/kubernetes.ts";
import type { RegistryHub } from "../model/registryhub.ts";
import type { Access } from "./access.ts";
import { UsageError } from "./usage-error.ts";

/** Gets the hub that a command line names: `name`, or `namespace/name`. @throws UsageError without it; KubeError. */
export async function hubNamed(
  { client, namespace: current, signal }: Access,
  named: string,
): Promise<Stored<RegistryHub>> {
  const [name = "", namespace = current] = named.split("/", 2).reverse();
  const path = objectPath(resources.registryHubs, { namespace, name });
  try {
    return await client.request<Stored<RegistryHub>>({ method: "GET", path, signal });
  } catch (error) {
    if (error instanceof KubeError && error.reason === "NotFound")
      throw new UsageError(
        `there is no RegistryHub ${name} in namespace ${namespace}; registryhub status -A lists all`,
      );
    throw error;
  }
}
