import type { KubeObject, ObjectMeta } from "../../../src/model/kubernetes.ts";

/** An object as the server keeps it: whatever was sent, besides what every object has. */
export interface Stored extends KubeObject {
  readonly metadata: ObjectMeta & { readonly generateName?: string; readonly finalizers?: readonly string[] };
  readonly [field: string]: unknown;
}

/** One type of object, as far as the server has to know it to merge and number it. */
export interface ApiType {
  readonly group: string;
  /** All that are served; the objects are the same. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
  /** Has a status of its own, which the main resource ignores and which moves no generation. */
  readonly hasStatus: boolean;
  /** Lists that are merged element by element, by the path of the list: the field that is an element's key. */
  readonly listKeys: Readonly<Record<string, string>>;
  /** Maps that are one value to server-side apply. */
  readonly atomicMaps: readonly string[];
}

const builtIn = (
  plural: string,
  kind: string,
  { group = "", isNamespaced = true, hasStatus = false } = {},
): ApiType => ({
  group,
  versions: ["v1"],
  plural,
  kind,
  isNamespaced,
  hasStatus,
  listKeys: {},
  atomicMaps: [],
});

const istio = (plural: string, kind: string, listKeys: ApiType["listKeys"] = {}): ApiType => ({
  ...builtIn(plural, kind, { group: "networking.istio.io", hasStatus: true }),
  versions: ["v1", "v1beta1", "v1alpha3"],
  listKeys,
});

/**
 * Every type that this project's programs and tests ask for. Source of the list keys: crds/registryhub.yaml and Istio's
 * crd-all.gen.yaml (x-kubernetes-list-map-keys, x-kubernetes-map-type).
 */
export const apiTypes: readonly ApiType[] = [
  {
    ...builtIn("registryhubs", "RegistryHub", { group: "ecns.easystack.cn", hasStatus: true }),
    versions: ["v1alpha1"],
    listKeys: { "status.conditions": "type" },
    atomicMaps: ["status.serviceentries"],
  },
  istio("serviceentries", "ServiceEntry", { "spec.ports": "name" }),
  istio("envoyfilters", "EnvoyFilter"),
  istio("destinationrules", "DestinationRule"),
  {
    ...istio("peerauthentications", "PeerAuthentication"),
    group: "security.istio.io",
    versions: ["v1", "v1beta1"],
  },
  builtIn("pods", "Pod", { hasStatus: true }),
  istio("virtualservices", "VirtualService"),
  istio("sidecars", "Sidecar"),
  builtIn("namespaces", "Namespace", { isNamespaced: false, hasStatus: true }),
  builtIn("nodes", "Node", { isNamespaced: false, hasStatus: true }),
  builtIn("services", "Service", { hasStatus: true }),
  builtIn("secrets", "Secret"),
  builtIn("configmaps", "ConfigMap"),
  builtIn("podtemplates", "PodTemplate"),
  builtIn("events", "Event"),
  builtIn("leases", "Lease", { group: "coordination.k8s.io" }),
];

/** Whether the type comes from a CustomResourceDefinition, which may be missing. */
export const isCustom = ({ group }: ApiType): boolean =>
  group.includes(".istio.io") || group.includes("ecns");

/** "configmaps", "serviceentries.networking.istio.io": as the server's messages name a type. */
export const qualified = ({ group, plural }: ApiType): string =>
  group === "" ? plural : `${plural}.${group}`;
