import { type Entry, type HostKey, isOwner } from "../../model/entry.ts";
import type { HubId, HubIdentity, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { SeveralMap } from "../../runtime/several-map.ts";
import { hubIdOf } from "../../translate/names.ts";
import {
  type EntryFacts,
  entryOf,
  factsOf,
  hubLabelsOf,
  type Ownership,
  ownershipOf,
} from "../../translate/read-back/service-entry.ts";
import { HubEntries, type HubEntry } from "./hub-entries.ts";

/** A hub is asked for with one target after another while it moves; the lists of so many are kept. */
const listsPerHub = 4;
const mostShared = 1_000;

/** "<namespace>/<name>" of a ServiceEntry. */
type ObjectKey = string;

/** The ServiceEntry that has a host in the cluster: our own, an adoptable one, or somebody else's. */
export interface HostObject {
  readonly object: Stored<ServiceEntry>;
  readonly entry: Entry | undefined;
  readonly ownership: Ownership;
}

/** An object that names a hub, and that hub's name as far as the object tells it; `host` is "" where it has none. */
interface NamedEntry extends HubEntry {
  readonly owner: HubKey;
}

/**
 * Indexes over every ServiceEntry of the cluster, updated one object at a time. They hold facts; the objects stay in
 * the reflector's store.
 */
export class EntryIndex {
  readonly #objects: ReadonlyMap<ObjectKey, Stored<ServiceEntry>>;
  readonly #facts = new Map<ObjectKey, EntryFacts>();
  readonly #maps = new Map<string, EntryFacts["hubs"] | EntryFacts["vouched"]>();
  readonly #byHost = new SeveralMap<HostKey, ObjectKey>();
  readonly #byIp = new SeveralMap<string, ObjectKey>();
  /** What each hub's id may have. */
  readonly #byHub = new Map<HubId, Map<ObjectKey, NamedEntry>>();
  /** The lists of those who have asked, the last one first. */
  readonly #lists = new Map<HubId, readonly HubEntries[]>();
  /** By address, and by object key. */
  readonly #reserved = new Map<string, HostKey>();

  /** @param objects the reflector's live store. */
  constructor(objects: ReadonlyMap<ObjectKey, Stored<ServiceEntry>>) {
    this.#objects = objects;
  }

  /**
   * Re-reads the object under `key` from the store. Returns the hosts that the change concerns, by name or by
   * address.
   */
  update(key: ObjectKey): ReadonlySet<HostKey> {
    const before = this.#facts.get(key);
    const object = this.#objects.get(key);
    const after = object && factsOf(object);
    const hosts = new Set([...(before?.hosts ?? []), ...(after?.hosts ?? [])]);
    // What the object says may make another one the entry of its host.
    this.#eachListed(hosts, (list, entry) => list.delete(entry));
    if (before) this.#link(key, before, "delete");
    this.#reserved.delete(key);
    if (after) {
      this.#facts.set(key, {
        ...after,
        hubs: this.#shared(after.hubs),
        vouched: this.#shared(after.vouched),
      });
      this.#link(key, after, "add");
      for (const ip of after.ips) this.#reserved.delete(ip);
    } else {
      this.#facts.delete(key);
      if (before?.ownership === "ours") this.#reserveAll(key, before);
    }
    this.#eachListed(hosts, (list, entry) => list.add(entry));
    const ips = new Set([...(before?.ips ?? []), ...(after?.ips ?? [])]);
    const rivals = [...ips].flatMap((ip) => this.#byIp.get(ip));
    return hosts.union(new Set(rivals.flatMap((rival) => this.#facts.get(rival)?.hosts ?? [])));
  }

  /** The ServiceEntry that has the host. Of several objects of ours the others are copies. */
  hostObject(host: HostKey): HostObject | undefined {
    const key = this.keysAt(host)[0];
    const object = key === undefined ? undefined : this.#objects.get(key);
    if (object === undefined) return undefined;
    const ownership = ownershipOf(object);
    return { object, ownership, entry: ownership === "foreign" ? undefined : entryOf(object) };
  }

  /** The ServiceEntries that have the host; the first one is its entry. */
  keysAt(host: HostKey): readonly ObjectKey[] {
    const keys = this.#byHost.get(host);
    if (keys.length < 2) return keys; // as nearly always, and this is asked for every host
    const precedence = (key: ObjectKey): string => this.#facts.get(key)?.precedence ?? "";
    return keys.toSorted((a, b) => (precedence(a) < precedence(b) ? -1 : 1));
  }

  /** The objects of ours that somebody duplicated: another one is the host's entry. */
  copiesAt(host: HostKey): readonly ObjectKey[] {
    return this.keysAt(host)
      .slice(1)
      .filter((key) => this.#facts.get(key)?.ownership === "ours");
  }

  /** The hosts of the ServiceEntry that nobody else can have. */
  hostsAt(key: ObjectKey): readonly HostKey[] {
    return this.#facts.get(key)?.hosts ?? [];
  }

  /** Whether the object is a copy: of ours, and not its host's entry. */
  isCopy(key: ObjectKey): boolean {
    const [host] = this.#facts.get(key)?.hosts ?? [];
    return host !== undefined && this.copiesAt(host).includes(key);
  }

  /** The entries that are the hub's, without copies; kept up to date. */
  ownedBy(hub: HubIdentity): HubEntries {
    const lists = this.#lists.get(hub.id) ?? [];
    const isAsked = ({ hub: { key, target } }: HubEntries): boolean =>
      key === hub.key && target === hub.target;
    if (lists[0] !== undefined && isAsked(lists[0])) return lists[0];
    const list = lists.find(isAsked) ?? new HubEntries(hub, this.#find(hub));
    this.#lists.set(hub.id, [list, ...lists.filter((one) => one !== list)].slice(0, listsPerHub));
    return list;
  }

  /** The entries that are the hub's, as of now, without copies; by name. */
  hostsOf(hub: HubIdentity): readonly HubEntry[] {
    return this.ownedBy(hub).all;
  }

  /** Most entries are of the same hubs, which vouch for as many endpoints; a map for each would be a sixth of their memory. */
  #shared<T extends EntryFacts["hubs"] | EntryFacts["vouched"]>(map: T): T {
    const key = JSON.stringify([...map]);
    const first = (this.#maps.get(key) as T | undefined) ?? map;
    if (this.#maps.size >= mostShared) this.#maps.clear();
    this.#maps.set(key, first);
    return first;
  }

  #find(hub: HubIdentity): readonly HubEntry[] {
    const entries: HubEntry[] = [];
    this.#byHub.get(hub.id)?.forEach((entry, key) => {
      if (entry.host === "" || !isOwner(hub, entry.host, entry.owner)) return;
      if (this.keysAt(entry.host)[0] === key) entries.push(entry);
    });
    return entries;
  }

  /** Calls `run` with the entry of each host and the lists that contain it. */
  #eachListed(hosts: Iterable<HostKey>, run: (list: HubEntries, entry: HubEntry) => void): void {
    for (const host of hosts) {
      const key = this.keysAt(host)[0] ?? "";
      for (const id of this.#facts.get(key)?.hubs.keys() ?? []) {
        const entry = this.#byHub.get(id)?.get(key);
        if (entry?.host !== host) continue;
        for (const list of this.#lists.get(id) ?? [])
          if (isOwner(list.hub, host, entry.owner)) run(list, entry);
      }
    }
  }

  /** How many objects name the id. */
  countOf(hub: HubId): number {
    return this.#byHub.get(hub)?.size ?? 0;
  }

  /** How many endpoints the hub vouches for in the entry of a host. */
  endpointsOf(hub: HubIdentity, host: HostKey): number {
    const facts = this.#factsOf(host);
    return facts !== undefined && isOwner(hub, host, facts.hubs.get(hub.id))
      ? (facts.vouched.get(hub.id) ?? 0)
      : 0;
  }

  /** The services of the hub's entries in its target, as in ServiceIdentity.name. */
  *servicesOf(hub: HubIdentity): Generator<string> {
    for (const { host, service } of this.hostsOf(hub)) if (host.startsWith(`${hub.target}/`)) yield service;
  }

  /** The hubs that own the ServiceEntry or a part of it, as far as its annotation names them. */
  ownersAt(key: ObjectKey): readonly HubKey[] {
    return [...(this.#facts.get(key)?.hubs.values() ?? [])].filter((owner) => owner !== "");
  }

  /**
   * Whether a hub stands behind the ServiceEntry. Our label is not enough, because anybody can write it: it has to name
   * a hub that exists, by its id and by its name, and to lie in that hub's target.
   *
   * @param targetOf the target of a hub that exists.
   */
  isOfHub(key: ObjectKey, targetOf: (hub: HubKey) => string | undefined): boolean {
    const object = this.#objects.get(key);
    const ids = object === undefined ? [] : hubLabelsOf(object);
    const hubs = ids.map((id) => this.#facts.get(key)?.hubs.get(id) ?? "");
    return hubs.some((hub) => hub !== "" && targetOf(hub) === splitKey(key)[0]);
  }

  /** The ServiceEntries that name the hub. */
  keysNaming(hub: HubKey): readonly ObjectKey[] {
    const id = hubIdOf(hub);
    const named = this.#byHub.get(id) ?? new Map<ObjectKey, NamedEntry>();
    return [...named].filter(([, { owner }]) => owner === hub).map(([key]) => key);
  }

  /** Whether the entry of the host is the hub's. */
  has(hub: HubIdentity, host: HostKey): boolean {
    return isOwner(hub, host, this.#factsOf(host)?.hubs.get(hub.id));
  }

  hosts(): IterableIterator<HostKey> {
    return this.#byHost.keys();
  }

  /** Whether another host has, or has reserved, an object of this name; `except` = the host that asks. */
  isNameTaken(namespace: string, name: string, except: HostKey): boolean {
    const key = `${namespace}/${name}`;
    const facts = this.#facts.get(key);
    if (facts === undefined && this.#objects.has(key)) return true; // a bug stopped its `update`
    return facts ? !facts.hosts.includes(except) : (this.#reserved.get(key) ?? except) !== except;
  }

  /** Whether another host's ServiceEntry, or a write not seen yet, has the address; `except` = the host that asks. */
  isUsed(ip: string, except: HostKey): boolean {
    if (this.isReserved(ip, except)) return true;
    return this.#byIp.get(ip).some((key) => !this.#facts.get(key)?.hosts.includes(except));
  }

  /** The other ServiceEntries that have the address, whoever made them; copies do not count. */
  *othersAt(ip: string, except?: ObjectKey): Generator<ObjectKey> {
    for (const key of this.#byIp.get(ip)) if (key !== except && !this.isCopy(key)) yield key;
  }

  /** Whether a write for another host, not seen yet, has the address. */
  isReserved(ip: string, except: HostKey): boolean {
    return (this.#reserved.get(ip) ?? except) !== except;
  }

  /** Reserves an address, or the key of an object, for a host until the store has its entry. */
  reserve(what: string, host: HostKey): void {
    this.#reserved.set(what, host);
  }

  /** Until somebody has looked at the host of an entry that is gone, nobody else gets its name and its address. */
  #reserveAll(key: ObjectKey, { hosts: [host], ips }: EntryFacts): void {
    if (host === undefined || this.#byHost.has(host)) return;
    for (const what of [key, ...ips]) if (!this.#byIp.has(what)) this.reserve(what, host);
  }

  /** Releases what a host has reserved. */
  release(host: HostKey): void {
    for (const [what, holder] of this.#reserved) if (holder === host) this.#reserved.delete(what);
  }

  /** Addresses in use or reserved. */
  *ips(): Generator<string> {
    yield* this.#byIp.keys();
    yield* this.#reserved.keys();
  }

  /** Of the host's entry. */
  #factsOf(host: HostKey): EntryFacts | undefined {
    const key = this.keysAt(host)[0];
    return key === undefined ? undefined : this.#facts.get(key);
  }

  #link(key: ObjectKey, facts: EntryFacts, change: "add" | "delete"): void {
    for (const ip of facts.ips) this.#byIp[change](ip, key);
    for (const host of facts.hosts) this.#byHost[change](host, key);
    const { hosts, service, name, writtenAt } = facts;
    for (const [hub, owner] of facts.hubs) {
      const named = this.#byHub.get(hub) ?? new Map<ObjectKey, NamedEntry>();
      const endpoints = facts.vouched.get(hub) ?? 0;
      if (change === "add")
        this.#byHub.set(
          hub,
          named.set(key, { host: hosts[0] ?? "", endpoints, service, name, writtenAt, owner }),
        );
      else if (named.delete(key) && named.size === 0) this.#byHub.delete(hub);
    }
  }
}
