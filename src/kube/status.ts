import type { Hub } from "../model/hub.ts";
import type { Stored } from "../model/kubernetes.ts";
import { fieldManagers } from "../model/labels.ts";
import type { HubStatus, RegistryHub } from "../model/registryhub.ts";
import { applyStatus, clearStatus, type WriteResult } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, resources } from "./resources.ts";

/**
 * Replaces the whole status of the hub of this name with `status`; a deleted hub is a 404. Returns the current hub.
 * A re-created hub gets the status too: its name is its identity, and the API server ignores a uid here.
 * `replaces` = the hub has a status that no apply can merge (500), such as the old product's; it is removed first.
 */
export async function writeStatus(
  client: KubeClient,
  { name, namespace }: Pick<Hub, "name" | "namespace">,
  { status, replaces }: { readonly status: HubStatus; readonly replaces: boolean },
  signal: AbortSignal,
): Promise<WriteResult<Stored<RegistryHub>>> {
  const { registryHubs } = resources;
  const options = { fieldManager: fieldManagers.registryhub, signal };
  const object = {
    apiVersion: apiVersionOf(registryHubs),
    kind: registryHubs.kind,
    metadata: { name, namespace },
    status,
  };
  if (replaces) {
    const cleared = await clearStatus(client, registryHubs, object, options);
    if ("error" in cleared) return cleared;
  }
  return applyStatus(client, registryHubs, object, options) as Promise<WriteResult<Stored<RegistryHub>>>;
}
