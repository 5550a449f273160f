import type { Problem } from "./problems.ts";

/** How an instance is called. `dubbo` is Dubbo's TCP protocol; `grpc` covers Triple; `tcp` is anything opaque. */
export type Protocol = "dubbo" | "grpc" | "http" | "tcp";

/** Decides the form of the ServiceEntry: `dubbo` ones carry the interface, `spring` ones the registry's name for them. */
export type ServiceKind = "dubbo" | "spring";

/**
 * One running copy of a service, exactly as its registry spells it: whether the address and port may pass is decided by
 * `translate/addresses`, so an illegal one is a reported problem and never a silent loss.
 */
export interface ServiceInstance {
  /** IP literal (IPv6 without brackets) or whatever else was registered. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Dubbo's service version and group; "" = unset, and always "" for Spring services. */
  readonly version: string;
  readonly group: string;
  /** Relative share of the calls, above 0; absent = 1, as where the registry has no such notion. */
  readonly weight?: number;
  /** "region/zone/subzone", as Istio writes it. */
  readonly locality?: string;
  /** Stable facts only: nothing that changes when the same provider restarts. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What one registry read returns. An unchanged service keeps its identity (`===`) from one snapshot to the next. */
export interface Service {
  /** Unique in its registry: ZooKeeper the interface, Nacos group@@service, Eureka and Consul the service. */
  readonly id: string;
  readonly kind: ServiceKind;
  /** The exact spelling: the Dubbo interface, or the Spring service name. */
  readonly name: string;
  /** What keeps services of one name apart, where the registry has such a thing (Nacos: the group). */
  readonly scope?: string;
  /** Sorted; [] = known, and no copy is running; "unknown" = it exists but could not be read, so nothing follows from it. */
  readonly instances: readonly ServiceInstance[] | "unknown";
  readonly problems: readonly Problem[];
}

/** A service that exists and whose instances could not be read. `detail` is for its owner: why, and what to do. */
export function unknownService(service: Omit<Service, "instances" | "problems">, detail: string): Service {
  const problem: Problem = { at: service.name, code: "Unreadable", detail, severity: "warning" };
  return { ...service, instances: "unknown", problems: [problem] };
}

/** All that one registry knew at one moment: a service that is absent does not exist. */
export interface Snapshot {
  /** By `Service.id`. */
  readonly services: ReadonlyMap<string, Service>;
  /** What concerns the registry as a whole, such as a missing root. */
  readonly problems: readonly Problem[];
  /** Identifies the registry's data where it can (ZooKeeper: czxid/ctime of the root): another value = it started over. */
  readonly origin?: string;
  /**
   * How far into the registry's history this is, where it has such a count (ZooKeeper: zxid). It never goes back by itself:
   * a later snapshot with a smaller one proves that the registry lost data.
   */
  readonly position?: number;
}

/** As `Service.instances` are: sorted, and each address and port once. Of several it is the same one, whatever their order. */
export function distinctInstances(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
  const sorted = instances.toSorted(byAddress);
  return sorted.filter(
    ({ address, port }, at) => sorted[at - 1]?.address !== address || sorted[at - 1]?.port !== port,
  );
}

function byAddress(a: ServiceInstance, b: ServiceInstance): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  if (a.port !== b.port) return a.port - b.port;
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Whether both hold the very same services. */
export function isSameListing(
  before: Snapshot["services"] | undefined,
  after: Snapshot["services"],
): boolean {
  if (before?.size !== after.size) return false;
  for (const [id, service] of after) if (before.get(id) !== service) return false; // often, and of 10,000: no copy
  return true;
}
