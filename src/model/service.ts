import type { Problem } from "./problems.ts";

/** How to call an instance. `dubbo` is Dubbo's TCP protocol; `grpc` includes Triple; `tcp` is anything opaque. */
export type Protocol = "dubbo" | "grpc" | "http" | "tcp";

/**
 * Decides the form of the ServiceEntry: `dubbo` for Dubbo interfaces; `spring` for every other service, by its
 * registry's name.
 */
export type ServiceKind = "dubbo" | "spring";

/**
 * One running copy of a service, exactly as its registry spells it. `translate/addresses` decides whether the address
 * and port are usable, so an illegal one is a reported problem and never a silent loss.
 */
export interface ServiceInstance {
  /** An IP literal (IPv6 without brackets), or any other text that the provider registered. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Dubbo's service version and group; "" = unset, and always "" for Spring services. */
  readonly version: string;
  readonly group: string;
  /** Relative share of the calls, above 0; absent = 1, also if the registry has no weights. */
  readonly weight?: number;
  /** "region/zone/subzone", as Istio writes it. */
  readonly locality?: string;
  /** Stable facts only; nothing in it changes when the same provider restarts. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * What is registered under the keys that the hub asks for, whether or not it is stable: Dubbo's parameters, instance
   * metadata, Consul's tags (""). Absent = nothing.
   */
  readonly facts?: Readonly<Record<string, string>>;
}

/** One service of a registry. An unchanged service keeps its identity (`===`) from one snapshot to the next. */
export interface Service {
  /** Unique in its registry. ZooKeeper: the interface; Nacos: group@@service; Eureka and Consul: the service. */
  readonly id: string;
  readonly kind: ServiceKind;
  /** The exact spelling: the Dubbo interface, or the Spring service name. */
  readonly name: string;
  /** Separates services of one name, if the registry has such a thing (Nacos: the group). */
  readonly registryGroup?: string;
  /**
   * Sorted. [] = the registry knows the service and no copy is running. "unknown" = the service exists but could not
   * be read, so nothing may be concluded.
   */
  readonly instances: readonly ServiceInstance[] | "unknown";
  /** The instances are right, but there may be more: a part of the service could not be read, and a problem says which. */
  readonly isPartial?: true;
  readonly problems: readonly Problem[];
}

/** A service that exists and whose instances could not be read. `detail` tells its owner why, and what to do. */
export function unknownService(
  service: Omit<Service, "instances" | "isPartial" | "problems">,
  detail: string,
): Service {
  const problem: Problem = { at: service.name, code: "Unreadable", detail, severity: "warning" };
  return { ...service, instances: "unknown", problems: [problem] };
}

/** Everything that one registry knew at one moment. A service that is absent does not exist. */
export interface Snapshot {
  /** By `Service.id`. */
  readonly services: ReadonlyMap<string, Service>;
  /** Problems of the registry as a whole, such as a missing root. */
  readonly problems: readonly Problem[];
  /**
   * Identifies the registry's data, if the registry can (ZooKeeper: czxid/ctime of the root). Another value = the
   * registry started over.
   */
  readonly origin?: string;
  /**
   * How far the registry's history has come, if it has such a count (ZooKeeper: zxid). The count never goes back on
   * its own, so a later snapshot with a smaller one proves that the registry lost data.
   */
  readonly position?: number;
}

/**
 * Sorts instances and keeps each address and port once, as `Service.instances` requires. The choice among several
 * does not depend on their order.
 */
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
