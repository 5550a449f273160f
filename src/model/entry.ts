import type { HubId, HubIdentity, HubKey, Identity } from "./hub.ts";
import { splitKey } from "./keys.ts";
import type { Protocol, ServiceKind } from "./service.ts";

/** "<target namespace>/<host>": the key of one ServiceEntry, and the unit of work of the hub controller. */
export type HostKey = string;
/** "10.42.0.57:20880" or "[2001:db8::1]:20880". */
export type HostPort = string;
/** A length of time in milliseconds. */
export type Ms = number;
/** A point in time: milliseconds on the monotonic clock. */
export type Instant = number;

/** The service behind an entry; one object shared by all its endpoints. */
export interface ServiceIdentity {
  readonly kind: ServiceKind;
  /**
   * The exact spelling: two Dubbo interfaces may differ only in case and still want one host. "" = an entry from which
   * somebody removed it.
   */
  readonly name: string;
  /**
   * `group/interface:version` of a Dubbo service, exactly; what differs here is another service, whatever host it
   * wants. "" = an entry that does not tell; also that of every Spring service.
   */
  readonly serviceKey: string;
  /** The name as the registry spells it, if the host needed more than lower-casing; else "". */
  readonly originalName: string;
  /** The registry type that a Spring entry names; "" on Dubbo entries. */
  readonly registry: string;
  /** Separates services of one name within a registry (Nacos: the group); "" = the registry has no such thing. */
  readonly registryGroup: string;
}

/** An instance that may become an endpoint: legal address and port, labels as they will be written. */
export interface Endpoint {
  readonly hostPort: HostPort;
  readonly address: string;
  readonly port: number;
  /** Always tcp for a Spring service; the hubs decide what its entry speaks. */
  readonly protocol: Protocol;
  readonly service: ServiceIdentity;
  /** As in ServiceInstance. */
  readonly weight?: number;
  readonly locality?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * An endpoint of an entry, and the hubs that vouch for it. An empty `by` (adopted entries) means every hub that
 * claims the host.
 */
export interface EntryEndpoint extends Endpoint {
  readonly by: ReadonlySet<HubId>;
  /** The name of one of the hubs in `by`, for people; "" = not chosen yet. */
  readonly registryName: string;
  /** Present = proxies call it by Istio's mTLS. */
  readonly mtls?: true;
}

/**
 * The properties that an entry gets once and keeps, because a change would cost its callers their connections. Only
 * the protocol of a Spring entry follows its hubs, if they agree.
 */
export interface EntryShape {
  readonly service: ServiceIdentity;
  readonly protocol: Protocol;
  /** The port that callers use; each endpoint has its own real port. */
  readonly port: number;
  readonly portName: string;
}

/** A ServiceEntry, planned or read back. */
export interface Entry {
  readonly host: HostKey;
  /** metadata.name; chosen once. */
  readonly name: string;
  /** "" = none yet, or the operator does not accept the one in the cluster. */
  readonly vip: string;
  readonly shape: EntryShape;
  /** Ours by label. false = made by the old product; any other ServiceEntry is foreign and never becomes an Entry. */
  readonly ours: boolean;
  /** Every hub that the entry or one of its endpoints names, with its name; "" where the annotation does not tell it. */
  readonly hubs: ReadonlyMap<HubId, HubKey>;
  readonly endpoints: ReadonlyMap<HostPort, EntryEndpoint>;
  /** RFC 3339, while the entry has no endpoints. */
  readonly emptySince?: string;
  /** false = no EnvoyFilter, because a contributing hub has l7: false. */
  readonly l7: boolean;
  /** false = proxies go on calling endpoints that cannot be reached, because every contributing hub says so. Of Dubbo entries. */
  readonly outlierDetection: boolean;
  /** The namespaces that see it, sorted; absent = all, or what somebody else has written. */
  readonly exportTo?: readonly string[];
  /** As in Hub, of all its hubs; absent = any, or what somebody else has written. */
  readonly subjectAltNames?: readonly string[];
  /** The registry-name label of a Spring entry, for people; "" on Dubbo entries. */
  readonly registryName: string;
}

/**
 * Whether the entry of a host is the hub's; `name` is what the entry's `hubs` have under the hub's id. Anybody can give a
 * hub a name with a certain id, so an id counts only with the name behind it, or, where nobody knows that, in the hub's own
 * target. In another namespace, where the hub may have written earlier, it has only hosts of that namespace.
 */
export function isOwner({ key, target }: HubIdentity, host: HostKey, name: HubKey | undefined): boolean {
  if (host.startsWith(target) && host[target.length] === "/") return name === key || name === "";
  const [namespace, hostname] = splitKey(host);
  return name === key && hostname.endsWith(`.${namespace}`);
}

/** What one hub says about one host. `unlisted` is the only place where "gone" and "unknown" differ. */
export interface Claim {
  /** "" = no object in the cluster names the hub. */
  readonly key: HubKey;
  /** metadata.name of the hub, for people. */
  readonly name: string;
  readonly l7: boolean;
  /** As the hub says it; undefined = it says nothing. */
  readonly outlierDetection?: boolean;
  /** The namespaces that shall see the entry; absent = all. */
  readonly exportTo?: readonly string[];
  /** As in Hub; undefined = the hub is missing, so nobody knows. */
  readonly identity?: Identity;
  /** As in Hub. */
  readonly subjectAltNames?: readonly string[];
  /** The hub's spec.protocol for Spring services; undefined = the hub is missing, so nobody knows. */
  readonly protocol?: Protocol;
  /** Labels that the hub asks for, besides the usual ones. */
  readonly labels?: readonly string[];
  /** false = the hub wants none of the weights that it gave its endpoints earlier. */
  readonly weights?: boolean;
  /** false = the hub only says what must stay: it is suspended, observes, may not write, or is missing. */
  readonly mayWrite: boolean;
  readonly listed: readonly Endpoint[];
  /** What it lists, and its owner wants no calls for. */
  readonly leftOut?: readonly HostPort[];
  /** What is the matter with the endpoints that it vouched for and does not list. */
  readonly unlisted: "gone" | "unknown";
}
