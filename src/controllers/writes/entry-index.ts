import { type Entry, type HostKey, isOwner } from "../../model/entry.ts";
import type { HubId, HubIdentity, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import {
  type EntryFacts,
  entryOf,
  factsOf,
  type Ownership,
  ownershipOf,
} from "../../translate/read-back/service-entry.ts";

/** "<namespace>/<name>" of a ServiceEntry. */
type ObjectKey = string;

/** The ServiceEntry that has a host in the cluster: our own, an adoptable one, or somebody else's. */
export interface HostObject {
  readonly object: Stored<ServiceEntry>;
  readonly entry: Entry | undefined;
  readonly ownership: Ownership;
}

/**
 * Indexes over every ServiceEntry of the cluster, updated one object at a time. They hold facts; the objects stay in
 * the reflector's store.
 */
export class EntryIndex {
  readonly #objects: ReadonlyMap<ObjectKey, Stored<ServiceEntry>>;
  readonly #facts = new Map<ObjectKey, EntryFacts>();
  readonly #byHost = new Map<HostKey, Set<ObjectKey>>();
  readonly #byIp = new Map<string, Set<ObjectKey>>();
  readonly #byHub = new Map<HubId, Set<ObjectKey>>();
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
    if (before) this.#link(key, before, "remove");
    this.#reserved.delete(key);
    if (after) {
      this.#facts.set(key, after);
      this.#link(key, after, "add");
      for (const ip of after.ips) this.#reserved.delete(ip);
    } else {
      this.#facts.delete(key);
    }
    const rivals = [...(after?.ips ?? [])].flatMap((ip) => [...(this.#byIp.get(ip) ?? [])]);
    const hosts = rivals.flatMap((rival) => this.#facts.get(rival)?.hosts ?? []);
    return new Set([...(before?.hosts ?? []), ...(after?.hosts ?? []), ...hosts]);
  }

  /**
   * The ServiceEntry that has the host: ours first, then an adoptable one, then a foreign one; among equals the first
   * by name.
   */
  hostObject(host: HostKey): HostObject | undefined {
    const rank = { ours: 0, adoptable: 1, foreign: 2 } as const;
    const found = [...(this.#byHost.get(host) ?? [])].sort().flatMap((key) => {
      const object = this.#objects.get(key);
      return object ? [{ object, ownership: ownershipOf(object) }] : [];
    });
    const [first] = found.sort((a, b) => rank[a.ownership] - rank[b.ownership]);
    return first && { ...first, entry: first.ownership === "foreign" ? undefined : entryOf(first.object) };
  }

  /** The hosts whose entries are the hub's, with the number of endpoints that it vouches for. */
  *hostsOf(
    hub: HubIdentity,
  ): Generator<{ readonly host: HostKey; readonly endpoints: number; readonly service: string }> {
    for (const { host, facts } of this.#owned(hub))
      yield { host, endpoints: facts.vouched.get(hub.id) ?? 0, service: facts.service };
  }

  /** How many endpoints the hub vouches for in the entries of a host. */
  endpointsOf(hub: HubIdentity, host: HostKey): number {
    return this.#factsAt(host)
      .filter(({ hubs }) => isOwner(hub, host, hubs))
      .reduce((sum, { vouched }) => sum + (vouched.get(hub.id) ?? 0), 0);
  }

  /** The services of the hub's entries in its target, as in ServiceIdentity.name. */
  *servicesOf(hub: HubIdentity): Generator<string> {
    for (const { host, service } of this.hostsOf(hub)) if (host.startsWith(`${hub.target}/`)) yield service;
  }

  /** Name -> time of our last write, for the hub's entries that we have written. */
  writesOf(hub: HubIdentity): ReadonlyMap<string, string> {
    const facts = [...this.#owned(hub)].map((one) => one.facts);
    return new Map(
      facts.filter(({ writtenAt }) => writtenAt !== "").map(({ name, writtenAt }) => [name, writtenAt]),
    );
  }

  /** The hubs that own the ServiceEntry or a part of it, as far as its annotation names them. */
  ownersAt(key: ObjectKey): readonly HubKey[] {
    return [...(this.#facts.get(key)?.hubs.values() ?? [])].filter((owner) => owner !== "");
  }

  /** Whether an entry of the host is the hub's. */
  has(hub: HubIdentity, host: HostKey): boolean {
    return this.#factsAt(host).some(({ hubs }) => isOwner(hub, host, hubs));
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
    const reservedFor = this.#reserved.get(ip);
    if (reservedFor !== undefined && reservedFor !== except) return true;
    return [...(this.#byIp.get(ip) ?? [])].some((key) => !this.#facts.get(key)?.hosts.includes(except));
  }

  /** Whether another ServiceEntry has the address and is older than `object`, so that ours must give way. */
  hasElder(ip: string, object: Stored<ServiceEntry>): boolean {
    const age = (one: Stored<ServiceEntry>): string =>
      `${one.metadata.creationTimestamp ?? ""} ${one.metadata.namespace ?? ""}/${one.metadata.name}`;
    return [...(this.#byIp.get(ip) ?? [])].some((key) => {
      const other = this.#objects.get(key);
      return other !== undefined && age(other) < age(object);
    });
  }

  /** Reserves an address, or the key of an object, for a host until the store has its entry. */
  reserve(what: string, host: HostKey): void {
    this.#reserved.set(what, host);
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

  *#owned(hub: HubIdentity): Generator<{ readonly host: HostKey; readonly facts: EntryFacts }> {
    for (const key of this.#byHub.get(hub.id) ?? []) {
      const facts = this.#facts.get(key);
      const host = facts?.hosts[0];
      if (facts && host !== undefined && isOwner(hub, host, facts.hubs)) yield { host, facts };
    }
  }

  #factsAt(host: HostKey): readonly EntryFacts[] {
    return [...(this.#byHost.get(host) ?? [])].flatMap((key) => this.#facts.get(key) ?? []);
  }

  #link(key: ObjectKey, facts: EntryFacts, change: "add" | "remove"): void {
    for (const host of facts.hosts) toggle(this.#byHost, host, key, change);
    for (const ip of facts.ips) toggle(this.#byIp, ip, key, change);
    for (const hub of facts.hubs.keys()) toggle(this.#byHub, hub, key, change);
  }
}

function toggle<K>(index: Map<K, Set<ObjectKey>>, at: K, key: ObjectKey, change: "add" | "remove"): void {
  const set = index.get(at) ?? new Set();
  if (change === "add") index.set(at, set.add(key));
  else if (set.delete(key) && set.size === 0) index.delete(at);
}
