import { isDeepStrictEqual } from "node:util";
import type { Hub } from "../model/hub.ts";
import type { Stored } from "../model/kubernetes.ts";
import { fieldManagers } from "../model/labels.ts";
import type { HubStatus, RegistryHub } from "../model/registryhub.ts";
import { applyStatus, patchStatus, type WriteResult } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import type { KubeError } from "./errors.ts";
import { apiVersionOf, resources } from "./resources.ts";

/**
 * Replaces the whole status of the hub of this name with `status`; a deleted hub is a 404. Returns the current hub.
 * A re-created hub gets the status too: its name is its identity, and the API server ignores a uid here.
 *
 * Server-side apply keeps fields that another client wrote, and cannot merge with values of other types than the CRD's
 * (500): the old product's conditions have no type, and an older CRD may have accepted such a spec. In both cases the
 * old status is removed first. If the spec is the part that cannot be merged, the status is written by a plain patch.
 */
export async function writeStatus(
  client: KubeClient,
  { name, namespace }: Pick<Hub, "name" | "namespace">,
  status: HubStatus,
  signal: AbortSignal,
): Promise<WriteResult<Stored<RegistryHub>>> {
  const { registryHubs } = resources;
  const options = { fieldManager: fieldManagers.registryhub, signal };
  const identity = {
    apiVersion: apiVersionOf(registryHubs),
    kind: registryHubs.kind,
    metadata: { name, namespace },
  };
  const patch = (next: HubStatus | null) =>
    patchStatus<Stored<RegistryHub>>(client, registryHubs, identity, next, options);
  const apply = () =>
    applyStatus<Stored<RegistryHub>>(client, registryHubs, { ...identity, status }, options);
  const applied = await apply();
  const isDone =
    "ok" in applied ? isDeepStrictEqual(applied.ok.status, status) : !isUnmergeable(applied.error);
  if (isDone) return applied;
  const cleared = await patch(null);
  if ("error" in cleared) return cleared;
  const again = await apply();
  return "error" in again && isUnmergeable(again.error) ? patch(status) : again;
}

/**
 * "failed to create typed live object" or, of an object that nobody owns a field of yet, "failed to convert new object to smd
 * typed". Source: k8s.io/apimachinery/pkg/util/managedfields/internal/structuredmerge.go, manager.go.
 */
function isUnmergeable({ status, message }: KubeError): boolean {
  return status === 500 && /\btyped\b/.test(message);
}
