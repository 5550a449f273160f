import { isDeepStrictEqual } from "node:util";
import type { Hub } from "../model/hub.ts";
import type { KubeObject, Stored } from "../model/kubernetes.ts";
import { fieldManagers } from "../model/labels.ts";
import type { HubStatus, RegistryHub } from "../model/registryhub.ts";
import type { KubeClient } from "./client.ts";
import { isObject } from "./covered.ts";
import { KubeError } from "./errors.ts";
import { apiVersionOf, objectPath, type Resource, resources } from "./resources.ts";

/**
 * The result of one write. A failure is a value, because it belongs to one object, and that object's queue decides
 * what follows.
 */
export type WriteResult<T> = { readonly ok: T } | { readonly error: KubeError };

export interface ApplyOptions {
  readonly fieldManager: string;
  readonly signal: AbortSignal;
  /** `applyTo` only: a Conflict also if the object has changed since it was read as `actual`. Default: it may have. */
  readonly onlyVersionRead?: boolean;
}

/**
 * Server-side apply: creates the object, or sets exactly the given fields. Fields that this manager set before and
 * leaves out now go. Takes over fields of other managers (`force`). Returns the new object.
 */
export function apply<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  object: T,
  options: ApplyOptions,
): Promise<WriteResult<T>> {
  return patch(client, resource, objectPath(resource, object.metadata), object, options);
}

/** No object ever has this resourceVersion, so an apply with it can only create. */
const noVersion = "1";

/**
 * As `apply`, to the very object that was read as `actual`, or only to create it if there was none. A Conflict means
 * that another object has the name now. Measured on 1.36: a uid without its object is a 409, with another object a 422;
 * a resourceVersion counts only where there is an object, and then has to be its own, else 409.
 */
export function applyTo<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  actual: KubeObject | undefined,
  object: T,
  options: ApplyOptions,
): Promise<WriteResult<T>> {
  const { uid, resourceVersion } = actual?.metadata ?? { resourceVersion: noVersion };
  const isExact = actual === undefined || options.onlyVersionRead === true;
  const precondition = { ...(uid !== undefined && { uid }), ...(isExact && { resourceVersion }) };
  return apply(client, resource, { ...object, metadata: { ...object.metadata, ...precondition } }, options);
}

/**
 * Replaces the whole status of the hub of this name with `status`; a deleted hub is a 404. Returns the current hub.
 * A re-created hub gets the status too: its name is its identity, and the API server ignores a uid here.
 *
 * Server-side apply keeps fields that another client wrote; a plain patch then removes them, so that there is a status at
 * every moment: a later process takes over a hold from it. Server-side apply cannot merge with values of other types than
 * the CRD's (500): the old product's conditions have no type, and an older CRD may have accepted such a spec. The old
 * status is then removed first. If the spec is the part that cannot be merged, the status is written by a plain patch.
 */
export async function writeStatus(
  client: KubeClient,
  { name, namespace }: Pick<Hub, "name" | "namespace">,
  status: HubStatus,
  signal: AbortSignal,
): Promise<WriteResult<Stored<RegistryHub>>> {
  const { registryHubs } = resources;
  const metadata = { name, namespace };
  const fieldManager = fieldManagers.registryhub;
  const path = objectPath(registryHubs, metadata, "status");
  const applyAll = () =>
    patch(client, registryHubs, path, { metadata, status } as Stored<RegistryHub>, { fieldManager, signal });
  /** A merge patch merges no lists; null removes what it stands for, of any writer. */
  const merge = (next: unknown) => {
    const contentType = "application/merge-patch+json";
    const body = { status: next };
    return result(
      client.request<Stored<RegistryHub>>({
        method: "PATCH",
        path,
        query: { fieldManager },
        body,
        contentType,
        signal,
      }),
    );
  };
  const applied = await applyAll();
  if ("ok" in applied)
    return isDeepStrictEqual(applied.ok.status, status)
      ? applied
      : merge(replacement(applied.ok.status, status));
  if (!isUnmergeable(applied.error)) return applied;
  const cleared = await merge(null);
  if ("error" in cleared) return cleared;
  const again = await applyAll();
  return "error" in again && isUnmergeable(again.error) ? merge(status) : again;
}

/** The merge patch that makes `stored` equal to `wanted`. */
function replacement(stored: unknown, wanted: unknown): unknown {
  if (!isObject(stored) || !isObject(wanted)) return wanted;
  const fields = Object.keys({ ...stored, ...wanted });
  return Object.fromEntries(
    fields.map((field) => [field, field in wanted ? replacement(stored[field], wanted[field]) : null]),
  );
}

/**
 * "failed to create typed live object" or, of an object that nobody owns a field of yet, "failed to convert new object to smd
 * typed". Source: k8s.io/apimachinery/pkg/util/managedfields/internal/structuredmerge.go, manager.go.
 */
function isUnmergeable({ status, message }: KubeError): boolean {
  return status === 500 && /\btyped\b/.test(message);
}

function patch<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  path: string,
  object: T,
  { fieldManager, signal }: ApplyOptions,
): Promise<WriteResult<T>> {
  return result(
    client.request<T>({
      method: "PATCH",
      path,
      query: { fieldManager, force: "true" },
      body: { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind },
      contentType: "application/apply-patch+yaml", // JSON is YAML
      signal,
    }),
  );
}

/**
 * Deletes exactly this version of the object. Its uid and resourceVersion are preconditions, so an object that
 * changed since it was read is a Conflict (409). `ok` is the object while a finalizer keeps it, and undefined once it
 * is gone, also if it was gone before. @param isTrial the API server only says whether it would.
 */
export async function remove<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  { metadata }: T,
  signal: AbortSignal,
  isTrial = false,
): Promise<WriteResult<T | undefined>> {
  const { uid, resourceVersion } = metadata;
  const deleted = await result(
    client.request<T>({
      method: "DELETE",
      path: objectPath(resource, metadata),
      ...(isTrial && { query: { dryRun: "All" } }),
      body: { preconditions: { uid, resourceVersion } },
      signal,
    }),
  );
  if ("error" in deleted) return deleted.error.status === 404 ? { ok: undefined } : deleted;
  // A Status has no metadata.name, so the object is gone.
  return {
    ok:
      deleted.ok.kind === "Status" || deleted.ok.metadata.deletionTimestamp === undefined
        ? undefined
        : deleted.ok,
  };
}

async function result<T>(request: Promise<T>): Promise<WriteResult<T>> {
  try {
    return { ok: await request };
  } catch (error) {
    if (error instanceof KubeError) return { error };
    throw error;
  }
}
