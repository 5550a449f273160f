import type { HostKey } from "../../model/entry.ts";
import type { HubIdentity } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";

/** One entry of a hub. */
export interface HubEntry {
  readonly host: HostKey;
  /** How many endpoints the hub vouches for. */
  readonly endpoints: number;
  /** As in ServiceIdentity.name. */
  readonly service: string;
  /** Of the object. */
  readonly name: string;
  /** When we wrote it last; "" = never. */
  readonly writtenAt: string;
}

/**
 * The entries of one hub by name, and their sums, one change at a time: of 30,000 entries most are in no cache of the
 * processor, so to look at each of them for every status takes long.
 */
export class HubEntries {
  readonly hub: HubIdentity;
  /** By name, and by host where two namespaces have an object of one name. */
  readonly #sorted: HubEntry[];
  #all: readonly HubEntry[] | undefined;
  #services = 0;
  #endpoints = 0;
  #written = 0;
  /** How many entries are in each namespace but the hub's target. */
  readonly #elsewhere = new Map<string, number>();

  constructor(hub: HubIdentity, entries: readonly HubEntry[]) {
    this.hub = hub;
    this.#sorted = entries.toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
    for (const entry of entries) this.#count(entry, 1);
  }

  /** As of now: later changes leave this list as it is. */
  get all(): readonly HubEntry[] {
    this.#all ??= [...this.#sorted];
    return this.#all;
  }

  /** How many entries have endpoints of the hub. */
  get services(): number {
    return this.#services;
  }

  /** How many endpoints the hub vouches for. */
  get endpoints(): number {
    return this.#endpoints;
  }

  /** How many names the entries have that we wrote. While a hub moves to another target two entries have one name. */
  get written(): number {
    return this.#elsewhere.size === 0 ? this.#written : this.#names().reduce((sum) => sum + 1, 0);
  }

  /** The namespaces besides the hub's target that have entries of it: earlier targets, until it has moved. */
  get namespacesElsewhere(): Iterable<string> {
    return this.#elsewhere.keys();
  }

  /** The first of the entries that we wrote, one for each name. */
  first(count: number): readonly HubEntry[] {
    return [...this.#names().take(count)];
  }

  add(entry: HubEntry): void {
    this.#sorted.splice(this.#placeOf(entry), 0, entry);
    this.#count(entry, 1);
  }

  delete(entry: HubEntry): void {
    this.#sorted.splice(this.#placeOf(entry), 1);
    this.#count(entry, -1);
  }

  *#names(): Generator<HubEntry> {
    let last: string | undefined;
    for (const entry of this.#sorted) {
      if (entry.writtenAt === "" || entry.name === last) continue;
      last = entry.name;
      yield entry;
    }
  }

  #count({ host, endpoints, writtenAt }: HubEntry, by: 1 | -1): void {
    this.#all = undefined;
    if (endpoints > 0) this.#services += by;
    this.#endpoints += by * endpoints;
    if (writtenAt !== "") this.#written += by;
    if (!host.startsWith(`${this.hub.target}/`)) this.#countElsewhere(splitKey(host)[0], by);
  }

  #countElsewhere(namespace: string, by: 1 | -1): void {
    const count = (this.#elsewhere.get(namespace) ?? 0) + by;
    if (count === 0) this.#elsewhere.delete(namespace);
    else this.#elsewhere.set(namespace, count);
  }

  /** Where the entry is, or belongs. */
  #placeOf(entry: HubEntry): number {
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#sorted[middle];
      if (other !== undefined && isBefore(other, entry)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function isBefore(one: HubEntry, other: HubEntry): boolean {
  return one.name < other.name || (one.name === other.name && one.host < other.host);
}
