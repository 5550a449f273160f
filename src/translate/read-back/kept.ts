import type { ServiceEntry } from "../../model/istio.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { fieldsOf, isFields, listOf, textOf } from "./json.ts";
import { ownWritesOf } from "./service-entry.ts";

// These transforms drop the fields that nothing reads, because a store keeps its objects for as long as they exist.

/** Keeps only that the object exists, and its version. */
export function nameOnly({ metadata: { name, namespace, uid, resourceVersion } }: KubeObject): KubeObject {
  return {
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
  };
}

/** Keeps the fields that decide whether hubs may write into a Namespace, and what its mesh does with it. */
export function namespaceOnly(object: KubeObject): KubeObject {
  const { annotations, deletionTimestamp, labels } = object.metadata;
  return {
    metadata: {
      ...nameOnly(object).metadata,
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
  };
}

/** Keeps of a RegistryHub where its entries belong. */
export function targetOnly(object: Stored<RegistryHub>): Stored<RegistryHub> {
  return { ...nameOnly(object), spec: { generate_to: targetOf(object) } };
}

/** The namespace that receives the entries of a hub, whatever else is wrong with it; "" = none. */
export function targetOf({ spec }: Stored<RegistryHub>): string {
  return textOf(fieldsOf(spec).generate_to) ?? "";
}

/**
 * Keeps of managedFields only the times of our own writes. The endpoints of an entry differ in little but their
 * address, so equal values are shared: the function that `sharing` makes returns the first value that equals its own.
 */
export function withOwnWritesOnly(
  object: Stored<ServiceEntry>,
  sharing: () => (value: unknown) => unknown,
): Stored<ServiceEntry> {
  const { metadata, spec } = object;
  const kept = { ...object, metadata: { ...metadata, managedFields: ownWritesOf(object) } };
  if (!isFields(spec) || !Array.isArray(spec.endpoints)) return kept;
  const [labelsOf, portsOf] = [sharing(), sharing()];
  const endpoints = listOf(spec.endpoints).map((one) =>
    isFields(one)
      ? {
          ...one,
          ...(isFlat(one.labels) && { labels: labelsOf(one.labels) }),
          ...(isFlat(one.ports) && { ports: portsOf(one.ports) }),
        }
      : one,
  );
  return { ...kept, spec: { ...spec, endpoints } };
}

/** Drops the endpoints: no filter depends on them, and they are most of an entry's size. */
export function withoutEndpoints(object: Stored<ServiceEntry>): Stored<ServiceEntry> {
  if (!isFields(object.spec)) return withoutManagedFields(object);
  const { endpoints: _, ...spec } = object.spec;
  return { ...withoutManagedFields(object), spec };
}

/** Drops the record of which client set which field. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function isFlat(value: unknown): boolean {
  return isFields(value) && Object.values(value).every((one) => typeof one !== "object" || one === null);
}
