import { annotations } from "./labels.ts";
import type { ConditionStatus, ConditionType } from "./reasons.ts";

/** "<namespace>/<name>" of a RegistryHub: its identity, which survives delete + create. */
export type HubKey = string;
/** The first 8 hex digits of sha256(HubKey), which name a hub in labels. */
export type HubId = string;

export const registryTypes = ["zookeeper", "nacos", "eureka", "consul"] as const;
export type RegistryType = (typeof registryTypes)[number];
export type Policy = "sync" | "upsert-only" | "observe";

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly ManagedFields[];
}

export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly fieldsV1?: FieldSet;
}

/** Fields as `f:<name>`, elements of keyed lists as `k:<their keys as JSON>`; a set without either is a leaf. */
export interface FieldSet {
  readonly [path: string]: FieldSet;
}

/**
 * A RegistryHub's spec as people write it (crds/registryhub.yaml). The CRD has validated everything that needs no
 * I/O.
 */
export interface RegistryHubSpec {
  readonly generate_to: string;
  readonly type: RegistryType;
  readonly address: string;
  readonly secretRef?: { readonly name: string };
  readonly tls?: { readonly enabled?: boolean; readonly insecureSkipVerify?: boolean };
  readonly protocol?: "tcp" | "http";
  readonly l7?: boolean;
  readonly services?: { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
  readonly policy?: Policy;
  readonly suspend?: boolean;
  readonly zookeeper?: { readonly root?: string };
  readonly nacos?: { readonly namespace?: string; readonly groups?: readonly string[] };
  readonly eureka?: { readonly pollIntervalSeconds?: number };
  readonly consul?: {
    readonly datacenter?: string;
    readonly tags?: readonly string[];
    readonly includeWarning?: boolean;
  };
}

export interface RegistryHub {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: RegistryHubSpec;
  readonly status?: HubStatus;
}

export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; changes only when `status` changes. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
  /** `[manual]`, on Ready while phase is failed: the error without the next step. */
  readonly failed_reason?: string;
  /** `[manual]`, on Ready: RFC 3339 time when this reason first appeared. */
  readonly record_time?: string;
}

export type Phase = "success" | "failed" | "pending";

/** The removals that the operator withholds now. In a reset hold, `endpoints` = how many the hub had when it began. */
export interface Hold {
  /** RFC 3339. */
  readonly since: string;
  readonly until: string;
  readonly services: number;
  readonly endpoints: number;
}

export interface HubStatus {
  readonly address: string;
  readonly type: string;
  readonly generate_to: string;
  readonly phase: Phase;
  /** ServiceEntry name -> RFC 3339 time of the operator's last write to it; at most 200 names. */
  readonly serviceentries: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
  readonly services: number;
  readonly endpoints: number;
  readonly rejected: number;
  readonly problems: readonly { readonly at: string; readonly problem: string; readonly severity: string }[];
  readonly hold?: Hold;
  readonly plan?: { readonly create: number; readonly change: number; readonly remove: number };
  readonly origin: string;
  readonly truncated: number;
}

/** Fills in the fields that a status of the old product lacks, and drops its conditions, which have no type. */
export function wellFormedStatus(status: HubStatus | undefined): HubStatus | undefined {
  return (
    status && {
      ...status,
      serviceentries: status.serviceentries ?? {},
      conditions: (status.conditions ?? []).filter((one) => one.type !== undefined),
      problems: status.problems ?? [],
      origin: status.origin ?? "",
    }
  );
}

/** A hub with every default filled in; the rest of the code works with this type. */
export interface Hub {
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
  readonly policy: Policy;
  readonly suspend: boolean;
  readonly filter: ServiceFilter;
  readonly registry: RegistrySpec;
  readonly secretName?: string;
  /** Value of the release annotation; "" = none. */
  readonly releaseHold: string;
}

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

/** Fills in the defaults that crds/registryhub.yaml describes. Trusts what the CRD checks. */
export function parseHub(object: RegistryHub): Hub {
  const { metadata, spec } = object;
  const namespace = metadata.namespace ?? "";
  return {
    key: `${namespace}/${metadata.name}`,
    namespace,
    name: metadata.name,
    uid: metadata.uid ?? "",
    createdAt: metadata.creationTimestamp ?? "",
    generation: metadata.generation ?? 0,
    target: spec.generate_to,
    protocol: spec.protocol ?? "tcp",
    l7: spec.l7 ?? true,
    policy: spec.policy ?? "sync",
    suspend: spec.suspend ?? false,
    filter: { include: spec.services?.include ?? ["*"], exclude: spec.services?.exclude ?? [] },
    registry: registrySpec(spec),
    ...(spec.secretRef && { secretName: spec.secretRef.name }),
    releaseHold: metadata.annotations?.[annotations.releaseHold] ?? "",
  };
}

function registrySpec(spec: RegistryHubSpec): RegistrySpec {
  const tls = {
    enabled: spec.tls?.enabled ?? false,
    insecureSkipVerify: spec.tls?.insecureSkipVerify ?? false,
  };
  const base = { address: spec.address, tls };
  switch (spec.type) {
    case "zookeeper":
      return { ...base, type: "zookeeper", root: spec.zookeeper?.root ?? "/dubbo" };
    case "nacos":
      return {
        ...base,
        type: "nacos",
        namespace: spec.nacos?.namespace ?? "",
        groups: spec.nacos?.groups ?? [],
      };
    case "eureka":
      return { ...base, type: "eureka", pollIntervalMs: (spec.eureka?.pollIntervalSeconds ?? 5) * 1_000 };
    case "consul":
      return {
        ...base,
        type: "consul",
        datacenter: spec.consul?.datacenter ?? "",
        tags: spec.consul?.tags ?? [],
        includeWarning: spec.consul?.includeWarning ?? false,
      };
  }
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
