import type { Hub, HubStatus, RegistryHub } from "../model/hub.ts";
import { managers } from "../model/labels.ts";
import { applyStatus, type WriteResult } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, resources } from "./resources.ts";

/**
 * Makes `status` the whole status of the hub of this name; a hub that was deleted is a 404. Returns the hub as it is now.
 * One that was re-created meanwhile gets it as well: its name is its identity, and the API server ignores a uid here.
 */
export function writeStatus(
  client: KubeClient,
  { name, namespace }: Pick<Hub, "name" | "namespace">,
  status: HubStatus,
  signal: AbortSignal,
): Promise<WriteResult<RegistryHub>> {
  const { registryHubs } = resources;
  const object = {
    apiVersion: apiVersionOf(registryHubs),
    kind: registryHubs.kind,
    metadata: { name, namespace },
    status,
  };
  return applyStatus(client, registryHubs, object, { fieldManager: managers.registryhub, signal }) as Promise<
    WriteResult<RegistryHub>
  >;
}
