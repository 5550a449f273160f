import { type RegistryType, registryTypes } from "./hub.ts";

/** Every label, annotation and fixed name that the operator reads or writes, in one place. */
export const prefix = "ecns.easystack.cn";

export const labels = {
  managedBy: "app.kubernetes.io/managed-by",
  /** The old product's labels, kept for parity and recognised for adoption. */
  manager: "manager",
  registry: "registry",
  registryName: "registry-name",
  /** Prefix of the ownership labels on ServiceEntries: `hub.ecns.easystack.cn/<h8>: ""`. */
  hub: `hub.${prefix}/`,
  /** Prefix of the ownership label on EnvoyFilters: `serviceentry.ecns.easystack.cn/<h8>: ""`. */
  serviceEntry: `serviceentry.${prefix}/`,
} as const;

export const annotations = {
  interface: "interface",
  workloadSelector: "workloadSelector",
  manager: "manager",
  registry: "registry",
  hubs: `${prefix}/hubs`,
  lastApplied: `${prefix}/last-applied`,
  emptySince: `${prefix}/empty-since`,
  l7: `${prefix}/l7`,
  outlierDetection: `${prefix}/outlier-detection`,
  /** The service name as the registry spells it, if the host needed more than lower-casing. */
  originalName: `${prefix}/original-name`,
  /** `group/interface:version` of a Dubbo service, as in ServiceIdentity.serviceKey. */
  service: `${prefix}/service`,
  /** The service's group in its registry (Nacos). The same name in another group is another service. */
  registryGroup: `${prefix}/registry-group`,
  /** On an EnvoyFilter: `<namespace>/<name>` of its ServiceEntry. */
  serviceEntry: `${prefix}/serviceentry`,
  /** On an EnvoyFilter outside the root namespace: the root namespace of the dubbo-controller that wrote it. */
  rootNamespace: `${prefix}/root-namespace`,
  /** On the EnvoyFilter with a service's rules: what they were made of, as JSON; it outlives the process. */
  rules: `${prefix}/rules`,
  /** On a VirtualService: another value has its rules reach the consumers that are connected, at the cost of their connections. */
  applyRulesNow: `${prefix}/apply-rules-now`,
  /** On a RegistryHub: the `status.hold.until` of the hold to release. */
  releaseHold: `${prefix}/release-hold`,
  /** On a Namespace: the namespaces whose hubs may write into it, or `*`. */
  allowFrom: `${prefix}/allow-registryhubs-from`,
} as const;

/**
 * `[manual]` the parameters of a Dubbo provider that become labels of its endpoint, and `tag`, by which subsets choose.
 * They stay the same when the provider restarts; each other one would cost a write per restart.
 */
export const dubboParameters = [
  "anyhost",
  "application",
  "background",
  "deprecated",
  "dubbo",
  "dynamic",
  "generic",
  "group",
  "interface",
  "methods",
  "release",
  "revision",
  "service-name-mapping",
  "side",
  "tag",
  "version",
] as const;

/** `[manual]` the label with a Spring service's name: eurekaName, consulName, nacosName. */
export const nameLabelOf = (type: RegistryType): string => `${type}Name`;

/** On the endpoints of a hub with shares: the name of its share, if it has one, and the weight that it would have without. */
export const shareLabels = { share: `${prefix}/share`, weight: `${prefix}/weight` } as const;

const expectedLabels: ReadonlySet<string> = new Set([
  ...dubboParameters,
  ...registryTypes.map(nameLabelOf),
  ...Object.values(shareLabels),
]);

/** Whether people count on this label of an endpoint. Others only happen to be in the provider's metadata. */
export const isExpectedLabel = (key: string): boolean => expectedLabels.has(key);

export const endpointLabels = {
  registryName: "registryName",
  by: `${prefix}/by`,
} as const;

/**
 * Istio's injector marks the pods that got a sidecar with it. On an endpoint of an entry it has proxies call that one by
 * mTLS, whatever they do to the others. Source: istio.io/api label; the endpoint is measured.
 */
export const sidecarLabel = { key: "security.istio.io/tlsMode", value: "istio" } as const;

/**
 * How many hubs the label `by` can name: a label's value has at most 63 characters, and an id has 8. Where it is full,
 * every hub of the entry may vouch for the endpoint.
 */
export const maxHubsPerEndpoint = 7;

/** Names of the controllers. Deployment, Lease, field manager and `managed-by` share them. */
export const fieldManagers = { registryhub: "registryhub", dubbo: "dubbo-controller" } as const;

/** `[manual]` port name of Dubbo services, by which the dubbo-controller recognises them. */
export const dubboPortName = "tcp-metaprotocol-dubbo";
