import type { LabelSelector } from "./label-selector.ts";

/** "<namespace>/<name>" of a RegistryHub: its identity, which survives delete + create. */
export type HubKey = string;
/** The first 8 hex digits of sha256(HubKey), which name a hub in labels. */
export type HubId = string;

export const registryTypes = ["zookeeper", "nacos", "eureka", "consul"] as const;
export type RegistryType = (typeof registryTypes)[number];
export const identities = ["auto", "none"] as const;
export type Identity = (typeof identities)[number];
export type Policy = "sync" | "upsert-only" | "observe";

/** A hub with every default filled in; the rest of the code works with this type. */
export interface Hub {
  readonly id: HubId;
  readonly key: HubKey;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339. If hubs compete, the oldest wins. */
  readonly createdAt: string;
  readonly generation: number;
  /** The namespace that receives the ServiceEntries. */
  readonly target: string;
  readonly protocol: "tcp" | "http";
  readonly l7: boolean;
  /** Whether proxies stop calling endpoints that cannot be reached; undefined = nothing is said: yes for Dubbo, no for Spring. */
  readonly outlierDetection?: boolean;
  /** The namespaces whose workloads see the entries, sorted; "." = the target. Absent = all. */
  readonly exportTo?: readonly string[];
  /** Whether endpoints that are pods with a sidecar are called by mTLS; "none" = no endpoint is. */
  readonly identity: Identity;
  /** Sorted; the certificates of endpoints that are called by mTLS must have one of these. Absent = any of the mesh's. */
  readonly subjectAltNames?: readonly string[];
  readonly policy: Policy;
  readonly suspend: boolean;
  readonly filter: ServiceFilter;
  readonly instances: InstanceRules;
  readonly registry: RegistrySpec;
  readonly secretName?: string;
  /** Value of the release annotation; "" = none. */
  readonly releaseHold: string;
}

/** Which instances become endpoints, and how. */
export interface InstanceRules {
  /** Over what is registered of an instance; others are left out. */
  readonly selector: Pick<LabelSelector, "requirements">;
  /** What becomes a label of endpoints, besides the usual ones: the key it is registered under, and that of the label. */
  readonly labels: readonly { readonly key: string; readonly label: string }[];
  /** Whether the weights of the registry count. */
  readonly weights: boolean;
  /** In order: an instance is of the first that selects it. */
  readonly shares: readonly Share[];
}

/** A group of the instances of each service, and the part of its calls that they get together. */
export interface Share {
  readonly name: string;
  readonly selector: Pick<LabelSelector, "requirements">;
  /** Of all calls, 0 to 100; what the shares leave is for the other instances. */
  readonly percent: number;
}

/** The keys that decide something about instances. */
export function factKeys({
  selector,
  labels,
  shares,
}: Pick<InstanceRules, "selector" | "labels" | "shares">): readonly string[] {
  const selectors = [selector, ...shares.map((share) => share.selector)];
  const selecting = selectors.flatMap(({ requirements }) => requirements);
  return [...new Set([...selecting, ...labels].map(({ key }) => key))].sort();
}

/** The names, sorted and each once; none where there are none, which accepts every certificate of the mesh. */
export function subjectAltNamesOf(names: readonly string[]): Pick<Hub, "subjectAltNames"> {
  return names.length === 0 ? {} : { subjectAltNames: [...new Set(names)].sort() };
}

/** What decides whether an entry is a hub's. */
export type HubIdentity = Pick<Hub, "id" | "key" | "target">;

/** Globs over interface or service names; `*` spans dots, and case does not matter, as in hosts. */
export interface ServiceFilter {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

interface RegistrySpecs {
  zookeeper: { readonly root: string };
  nacos: { readonly namespace: string; readonly groups: readonly string[] };
  eureka: { readonly pollIntervalMs: number };
  consul: { readonly datacenter: string; readonly tags: readonly string[]; readonly includeWarning: boolean };
}
/** Where a registry is and how to read it, in that registry's own terms. `address` is as the user wrote it. */
export type RegistrySpec<T extends RegistryType = RegistryType> = {
  [K in T]: {
    readonly type: K;
    readonly address: string;
    readonly tls: { readonly enabled: boolean; readonly insecureSkipVerify: boolean };
  } & RegistrySpecs[K];
}[T];

/** The contents of a registry's Secret; absent keys are absent. Never logged, never part of a message. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
  /** PEM. */
  readonly caCert?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
}

/** Whether `name` passes the hub's include and exclude globs. */
export function wants(filter: ServiceFilter, name: string): boolean {
  return (
    filter.include.some((glob) => matches(glob, name)) && !filter.exclude.some((glob) => matches(glob, name))
  );
}

/** A glob of literal text and `*`, matched greedily from the left without backtracking over more than one star. */
function matches(anyGlob: string, anyName: string): boolean {
  if (anyGlob === "*") return true; // the default; every change asks this for every service
  const [glob, name] = [anyGlob.toLowerCase(), anyName.toLowerCase()];
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return name === glob;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length)
    return false;
  let from = first.length;
  for (const part of rest) {
    const at = name.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from <= name.length - last.length;
}
