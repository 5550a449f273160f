import type { HubId, HubKey } from "./hub.ts";
import type { Protocol, ServiceKind } from "./service.ts";

/** "<target namespace>/<host>": what one ServiceEntry is for, and the unit of work of the hub controller. */
export type HostKey = string;
/** "10.42.0.57:20880" or "[2001:db8::1]:20880". */
export type Addr = string;
/** Milliseconds; as a point in time, on the monotonic clock. */
export type Ms = number;

/** The service behind an entry; one object shared by all its endpoints. */
export interface ServiceIdentity {
  readonly kind: ServiceKind;
  /** The exact spelling: two Dubbo interfaces may differ in case only, and want one host. */
  readonly name: string;
  /** The name as the registry spells it, where the host was made by more than lower-casing; else "". */
  readonly originalName: string;
  /** The registry type that a Spring entry names; "" on Dubbo entries. */
  readonly registry: string;
  /** What keeps it apart from others of its name (Nacos: the group); "" = its registry has no such thing. */
  readonly scope: string;
}

/** An instance that may become an endpoint: legal address and port, labels as they will be written. */
export interface Endpoint {
  readonly addr: Addr;
  readonly address: string;
  readonly port: number;
  /** Of a Spring service always tcp: what its entry speaks is the word of its hubs. */
  readonly protocol: Protocol;
  readonly service: ServiceIdentity;
  /** As in ServiceInstance. */
  readonly weight?: number;
  readonly locality?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An endpoint of an entry, and the hubs that vouch for it; by nobody = by every hub that claims the host (adoption). */
export interface HeldEndpoint extends Endpoint {
  readonly by: ReadonlySet<HubId>;
  /** The name, for people, of one of the hubs in `by`; "" = not chosen yet. */
  readonly registryName: string;
}

/**
 * What is chosen once per entry and kept: a change would cost its callers their connections. The protocol of a Spring entry
 * follows its hubs where they agree.
 */
export interface Shape {
  readonly service: ServiceIdentity;
  readonly protocol: Protocol;
  /** The port that callers use; each endpoint has its own real one. */
  readonly port: number;
  readonly portName: string;
}

/** A ServiceEntry, wanted or read back. */
export interface Entry {
  readonly host: HostKey;
  /** metadata.name: chosen once. */
  readonly name: string;
  /** "" = none yet, or what was there is not to be believed. */
  readonly vip: string;
  readonly shape: Shape;
  /** Ours by label, or made by the old product; everything else is foreign and never becomes an Entry. */
  readonly ours: boolean;
  /** The hubs of the ownership labels, with their names where the annotation tells them ("" where not). */
  readonly hubs: ReadonlyMap<HubId, HubKey>;
  readonly endpoints: ReadonlyMap<Addr, HeldEndpoint>;
  /** RFC 3339, while the entry has no endpoints. */
  readonly emptySince?: string;
  /** false = no EnvoyFilter: a contributing hub said so. */
  readonly l7: boolean;
  /** The registry-name label of a Spring entry, for people; "" on Dubbo entries. */
  readonly registryName: string;
}

/** What one hub says about one host. `unlisted` is the only place where "gone" and "unknown" differ. */
export interface Claim {
  /** "" = the cluster's objects do not tell. */
  readonly key: HubKey;
  /** metadata.name of the hub, for people. */
  readonly name: string;
  readonly l7: boolean;
  /** What the hub says that Spring services speak; undefined = it is missing, and nobody knows. */
  readonly protocol?: Protocol;
  /** false = the hub only says what must stay: it is suspended, observes, may not write, or is missing. */
  readonly mayWrite: boolean;
  readonly listed: readonly Endpoint[];
  /** What is the matter with the endpoints that it vouched for and does not list. */
  readonly unlisted: "gone" | "unknown";
}
