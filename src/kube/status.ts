import type { Hub, HubStatus, RegistryHub } from "../model/hub.ts";
import { fieldManagers } from "../model/labels.ts";
import { applyStatus, clearStatus, type WriteResult } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, resources } from "./resources.ts";

/**
 * Replaces the whole status of the hub of this name with `status`; a deleted hub is a 404. Returns the current hub.
 * A re-created hub gets the status too: its name is its identity, and the API server ignores a uid here.
 * The old product's status has conditions without a type, which no apply can merge (500), so that status is removed
 * first.
 */
export async function writeStatus(
  client: KubeClient,
  { name, namespace }: Pick<Hub, "name" | "namespace">,
  { previous, status }: { readonly previous: HubStatus | undefined; readonly status: HubStatus },
  signal: AbortSignal,
): Promise<WriteResult<RegistryHub>> {
  const { registryHubs } = resources;
  const options = { fieldManager: fieldManagers.registryhub, signal };
  const object = {
    apiVersion: apiVersionOf(registryHubs),
    kind: registryHubs.kind,
    metadata: { name, namespace },
    status,
  };
  if (previous?.conditions?.some((one) => one.type === undefined)) {
    const cleared = await clearStatus(client, registryHubs, object, options);
    if ("error" in cleared) return cleared;
  }
  return applyStatus(client, registryHubs, object, options) as Promise<WriteResult<RegistryHub>>;
}
