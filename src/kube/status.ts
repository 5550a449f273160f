import type { HubStatus, ObjectMeta, RegistryHub } from "../model/hub.ts";
import { managers } from "../model/labels.ts";
import { applyStatus, type WriteResult } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, resources } from "./resources.ts";

/**
 * Makes `status` the status of this very hub: one that was deleted is a 404, one that was re-created since is a 409.
 * Returns the hub as it is now.
 */
export function writeStatus(
  client: KubeClient,
  { name, namespace, uid }: ObjectMeta,
  status: HubStatus,
  signal: AbortSignal,
): Promise<WriteResult<RegistryHub>> {
  const { registryHubs } = resources;
  const metadata = { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) };
  const object = { apiVersion: apiVersionOf(registryHubs), kind: registryHubs.kind, metadata, status };
  return applyStatus(client, registryHubs, object, { fieldManager: managers.registryhub, signal }) as Promise<
    WriteResult<RegistryHub>
  >;
}
