import type { Endpoint, HostKey, HostPort } from "../../model/entry.ts";
import { type Hub, wants } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import type { Service } from "../../model/service.ts";
import type { Clock } from "../../runtime/deps.ts";
import { differing } from "../../runtime/parted-map.ts";
import { atOnce, inSlices, type Steps } from "../../runtime/slices.ts";
import { beyondCap, noCap, type ServiceCap, tooManyServices } from "./service-cap.ts";
import { WantedServices, wantedService } from "./wanted-services.ts";

/** So many new services are worth an index of their own, made in slices: `update` has no time for them. */
const many = 500;

/** What a newer snapshot changed. */
export interface ListingChange {
  /** Hosts whose endpoints may differ. */
  readonly changed: ReadonlySet<HostKey>;
  /** Hosts that listed something before and list nothing now, also because of the hub's filter; and the reverse. */
  readonly lost: readonly HostKey[];
  readonly found: readonly HostKey[];
  /** An unreadable service is readable again, so some of its entries may turn out to be gone. */
  readonly readAgain: boolean;
}

/** A service that is not as it was; undefined = the hub does not want it, or it is not listed any more. */
type Difference = readonly [id: string, service: Service | undefined];

/** A listing, the filter that selected from it, and what instances had to be like, as JSON. */
interface Taken {
  readonly services: ReadonlyMap<string, Service>;
  readonly filter: Hub["filter"] | undefined;
  readonly rules: string;
}

/** What `prepare` has made of a snapshot. */
interface Prepared {
  readonly hub: Hub;
  readonly services: ReadonlyMap<string, Service>;
  readonly differences: readonly Difference[];
  /** Of many differences; `beyond` = the hosts beyond the cap, as the cluster is at the end. */
  readonly takenIn?: {
    readonly wanted: WantedServices;
    readonly change: ListingChange;
    readonly beyond: ReadonlySet<HostKey>;
  };
}

/**
 * One hub's listing, by host. Updates compare identities, so an unchanged service costs nothing. A host beyond the cap is
 * one that could not be read: it lists nothing, and nothing may be concluded.
 */
export class ListingIndex {
  readonly #cap: ServiceCap;
  #wanted = new WantedServices();
  #beyond: ReadonlySet<HostKey> = new Set();
  #prepared: Prepared | undefined;
  /** What `#wanted` was made of last. */
  #taken: Taken = { services: new Map(), filter: undefined, rules: "" };

  constructor(cap = noCap) {
    this.#cap = cap;
  }

  /** The number of endpoints over all hosts. */
  get endpoints(): number {
    return (
      this.#wanted.endpoints - this.#beyond.values().reduce((sum, host) => sum + this.#at(host).length, 0)
    );
  }

  /** The number of instances that the hub's selector and its shares leave out. */
  get excluded(): number {
    return this.#wanted.excluded;
  }

  /** The number of hosts with at least one endpoint. */
  get size(): number {
    return this.#wanted.byHost.size - this.#beyond.size;
  }

  /** Whether hosts are left out because of the cap. */
  get isFull(): boolean {
    return this.#beyond.size > 0;
  }

  hosts(): IteratorObject<HostKey, undefined> {
    return this.#wanted.byHost.keys().filter((host) => !this.#beyond.has(host));
  }

  /** Sorted by service, then by address. */
  listed(host: HostKey): readonly Endpoint[] {
    return this.#beyond.has(host) ? [] : this.#at(host);
  }

  /** Instances of the host with a share of 0 %. */
  leftOut(host: HostKey): readonly HostPort[] {
    const wanted = this.#beyond.has(host) ? [] : (this.#wanted.byHost.get(host) ?? []);
    return wanted.flatMap(({ leftOut }) => leftOut.get(host) ?? []);
  }

  #at(host: HostKey): readonly Endpoint[] {
    const wanted = this.#wanted.byHost.get(host) ?? [];
    if (wanted.length === 1) return wanted[0]?.byHost.get(host) ?? [];
    return wanted
      .toSorted((a, b) => (a.service.id < b.service.id ? -1 : 1))
      .flatMap(({ byHost }) => byHost.get(host) ?? []);
  }

  has(host: HostKey): boolean {
    return this.#wanted.byHost.has(host) && !this.#beyond.has(host);
  }

  /** Whether the host is left out because of the cap. */
  isBeyond(host: HostKey): boolean {
    return this.#beyond.has(host);
  }

  /**
   * Whether the registry's data on this host, or on its entry's Dubbo interface, or a part of it, could not be read. An
   * entry from which somebody removed the interface ("") may be that of any; undefined = there is no entry.
   */
  isUnknown(host: HostKey, service: string | undefined): boolean {
    if (this.#beyond.has(host)) return true;
    if (service === "") return this.hasUnreadable;
    const { unknown } = this.#wanted;
    return unknown.has(host) || (service !== undefined && unknown.has(service));
  }

  /** Whether the registry has services that could not be read. */
  get hasUnreadable(): boolean {
    return this.#wanted.unknown.size > 0;
  }

  /** Whether one of the services speaks Dubbo's own protocol, for which an entry gets an EnvoyFilter. */
  get hasDubbo(): boolean {
    const speaksDubbo = ({ protocol }: Endpoint): boolean => protocol === "dubbo";
    return this.#wanted.byId
      .values()
      .some(
        ({ service, byHost }) =>
          service.kind === "dubbo" && byHost.values().some((endpoints) => endpoints.some(speaksDubbo)),
      );
  }

  get problems(): readonly Problem[] {
    const ofServices = [...this.#wanted.troubled.values()].flatMap(({ problems }) => problems);
    return [...ofServices, ...tooManyServices(this.#beyond, this.#cap)];
  }

  /**
   * Does ahead, in slices, what `update` with the same arguments would do at once: half a second of work for 10,000 new
   * services of 10 instances. Nothing changes before `update`. Where the hub is edited meanwhile it begins again.
   */
  async prepare(
    services: ReadonlyMap<string, Service>,
    present: () => Hub,
    clock: Pick<Clock, "monotonic">,
  ): Promise<void> {
    for (let hub: Hub | undefined; hub !== present(); ) {
      hub = present();
      await this.#prepareFor(services, hub, clock);
    }
  }

  async #prepareFor(
    services: ReadonlyMap<string, Service>,
    hub: Hub,
    clock: Pick<Clock, "monotonic">,
  ): Promise<void> {
    const differences = differencesOf(this.#wanted, this.#taken, services, hub);
    this.#prepared = { hub, services, differences };
    if (differences.length <= many) return;
    const wanted = new WantedServices(this.#wanted);
    const change = await inSlices(takenIn(wanted, differences, hub), clock);
    const beyond = await inSlices(this.#beyondCap(wanted, change), clock);
    this.#prepared = { hub, services, differences, takenIn: { wanted, change, beyond } };
  }

  /** Takes a newer listing. Services that the hub's filter excludes count as absent. */
  update(services: ReadonlyMap<string, Service>, hub: Hub): ListingChange {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    const isPrepared = prepared?.hub === hub && prepared.services === services;
    const before = this.#taken;
    this.#taken = { services, filter: hub.filter, rules: JSON.stringify(hub.instances) };
    if (isPrepared && prepared.takenIn !== undefined) {
      const { wanted, change, beyond } = prepared.takenIn;
      this.#wanted = wanted;
      return this.#capped(change, beyond);
    }
    const differences = isPrepared
      ? prepared.differences
      : differencesOf(this.#wanted, before, services, hub);
    const change = atOnce(takenIn(this.#wanted, differences, hub));
    return this.#capped(change, atOnce(this.#beyondCap(this.#wanted, change)));
  }

  #beyondCap({ byHost }: WantedServices, { found }: ListingChange): Steps<ReadonlySet<HostKey>> {
    return beyondCap(this.#cap, byHost, found, this.#beyond);
  }

  /** Applies the cap; the change is then that of the hosts within it. */
  #capped(change: ListingChange, beyond: ReadonlySet<HostKey>): ListingChange {
    const before = this.#beyond;
    const { byHost } = this.#wanted;
    this.#beyond = beyond;
    if (before.size === 0 && this.#beyond.size === 0) return change;
    const admitted = [...before].filter((host) => byHost.has(host) && !this.#beyond.has(host));
    return {
      ...change,
      changed: change.changed.union(new Set(admitted)).difference(this.#beyond),
      lost: change.lost.filter((host) => !before.has(host)),
      found: [...admitted, ...change.found.filter((host) => !this.#beyond.has(host))],
    };
  }
}

/** Every change of a registry asks this. While the hub means the same, a service that is as it was is not looked into. */
function differencesOf(
  wanted: WantedServices,
  taken: Taken,
  services: ReadonlyMap<string, Service>,
  { filter, instances }: Hub,
): readonly Difference[] {
  const isSameMeaning = taken.rules === JSON.stringify(instances);
  const isSameFilter = isSameMeaning && taken.filter === filter;
  const differences: Difference[] = [];
  for (const [id, service] of isSameFilter ? differing(taken.services, services) : services) {
    const was = wanted.byId.get(id)?.service;
    const is = service !== undefined && wants(filter, service.name) ? service : undefined;
    if (was !== is || (is !== undefined && !isSameMeaning)) differences.push([id, is]);
  }
  if (isSameFilter) return differences;
  for (const id of wanted.byId.keys()) if (!services.has(id)) differences.push([id, undefined]);
  return differences;
}

function* takenIn(
  wanted: WantedServices,
  differences: readonly Difference[],
  hub: Hub,
): Steps<ListingChange> {
  /** The hosts that change, and whether they listed anything. */
  const had = new Map<HostKey, boolean>();
  let readAgain = false;
  for (const [id, service] of differences) {
    const was = wanted.byId.get(id);
    const is = service && wantedService(service, hub);
    for (const one of [was, is])
      for (const host of one?.byHost.keys() ?? []) if (!had.has(host)) had.set(host, wanted.byHost.has(host));
    if (was?.unknown !== undefined && is?.unknown === undefined) readAgain = true;
    wanted.put(id, is);
    yield;
  }
  const [lost, found]: [HostKey[], HostKey[]] = [[], []];
  for (const [host, was] of had) {
    const is = wanted.byHost.has(host);
    if (was !== is) (was ? lost : found).push(host);
    yield;
  }
  return { changed: new Set(had.keys()), lost, found, readAgain };
}
