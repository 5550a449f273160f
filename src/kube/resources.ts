import type { KubeObject, ObjectMeta } from "../model/kubernetes.ts";
import { isObject } from "./covered.ts";

/** The place of one type of object in the API. */
export interface Resource {
  /** "" = the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

/** Every resource type that the operator reads or writes; the RBAC rules of the manifests cover these. */
export const resources = {
  registryHubs: {
    group: "ecns.easystack.cn",
    version: "v1alpha1",
    plural: "registryhubs",
    kind: "RegistryHub",
  },
  serviceEntries: {
    group: "networking.istio.io",
    version: "v1beta1",
    plural: "serviceentries",
    kind: "ServiceEntry",
  },
  envoyFilters: {
    group: "networking.istio.io",
    version: "v1alpha3",
    plural: "envoyfilters",
    kind: "EnvoyFilter",
  },
  destinationRules: {
    group: "networking.istio.io",
    version: "v1beta1",
    plural: "destinationrules",
    kind: "DestinationRule",
  },
  peerAuthentications: {
    group: "security.istio.io",
    version: "v1beta1",
    plural: "peerauthentications",
    kind: "PeerAuthentication",
  },
  pods: { group: "", version: "v1", plural: "pods", kind: "Pod" },
  virtualServices: {
    group: "networking.istio.io",
    version: "v1beta1",
    plural: "virtualservices",
    kind: "VirtualService",
  },
  namespaces: { group: "", version: "v1", plural: "namespaces", kind: "Namespace" },
  services: { group: "", version: "v1", plural: "services", kind: "Service" },
  secrets: { group: "", version: "v1", plural: "secrets", kind: "Secret" },
  configMaps: { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" },
  leases: { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease" },
  events: { group: "", version: "v1", plural: "events", kind: "Event" },
} as const satisfies Record<string, Resource>;

/** Whether an answer is an object that can be kept: it has a name, and its version can be compared. */
export function isKubeObject(value: unknown): value is KubeObject {
  if (!isObject(value) || !isObject(value.metadata)) return false;
  const { name, namespace, resourceVersion } = value.metadata;
  const isNamed = typeof name === "string" && (namespace === undefined || typeof namespace === "string");
  return isNamed && (resourceVersion === undefined || isRevision(resourceVersion));
}

/** Whether it is a resourceVersion: a revision of one counter (KEP-5504). */
export function isRevision(value: unknown): value is string {
  return typeof value === "string" && /^\d+$/.test(value);
}

/** "networking.istio.io/v1beta1"; "v1" for the core group. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** As kubectl names a type: "pods"; "serviceentries.networking.istio.io". */
export function typeName({ group, plural }: Pick<Resource, "group" | "plural">): string {
  return group === "" ? plural : `${plural}.${group}`;
}

/** The path of all objects of a type, or of those in one namespace. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === "" ? "/api" : "/apis";
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}/${apiVersionOf(resource)}${scope}/${resource.plural}`;
}

/** The path of one object, or of its subresource; an object without a namespace is cluster-scoped. */
export function objectPath(
  resource: Resource,
  { namespace, name }: Pick<ObjectMeta, "namespace" | "name">,
  subresource?: "status",
): string {
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** "<namespace>/<name>", or "<name>" when the object is cluster-scoped. */
export type ObjectKey = string;

export function objectKey({ metadata }: KubeObject): ObjectKey {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
