import type { HostKey } from "../../model/entry.ts";
import type { Hub } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import type { HostLedger } from "./ledger.ts";
import type { ListingIndex } from "./listing-index.ts";

/** The hosts of one hub: those that it lists, those that the cluster has of it, and those that wait for a write. */
export class HubHosts {
  readonly #entries: EntryIndex;
  readonly #listings: ListingIndex;
  readonly #ledger: HostLedger;

  constructor(entries: EntryIndex, listings: ListingIndex, ledger: HostLedger) {
    this.#entries = entries;
    this.#listings = listings;
    this.#ledger = ledger;
  }

  /** Some more than once. What comes while it is read may be missing. */
  *all(hub: Hub): Generator<HostKey> {
    yield* this.#listings.hosts();
    for (const { host } of this.#entries.hostsOf(hub)) yield host;
    yield* this.#ledger.hosts();
  }

  /** Hosts of the target with endpoints of the hub in the cluster that the registry, as far as it is readable, lacks. */
  missing(hub: Hub): readonly HostKey[] {
    const inTarget = `${hub.target}/`;
    return this.#entries
      .hostsOf(hub)
      .filter(
        ({ host, endpoints }) =>
          endpoints > 0 &&
          !this.#listings.has(host) && // as good as never, so it is asked first
          host.startsWith(inTarget) &&
          this.isReadable(host),
      )
      .map(({ host }) => host);
  }

  /** After another target both namespaces have what the registry lists once, so only the fuller one counts. */
  endpointsInCluster(hub: Hub): number {
    const counts = new Map<string, number>();
    for (const { host, endpoints } of this.#entries.hostsOf(hub)) {
      const [namespace] = splitKey(host);
      counts.set(namespace, (counts.get(namespace) ?? 0) + endpoints);
    }
    return Math.max(0, ...counts.values());
  }

  /** Whether the registry's data on the host could be read. */
  isReadable(host: HostKey): boolean {
    if (!this.#listings.hasUnreadable) return !this.#listings.isBeyond(host); // reading entries back takes time
    return !this.#listings.isUnknown(host, this.#entries.hostObject(host)?.entry?.shape.service.name);
  }

  /** For a host of an earlier target: that of its service in the present one, while it is not written. */
  unwrittenSuccessor(hub: Hub, host: HostKey): HostKey | undefined {
    const successor = successorOf(hub, host);
    return successor !== host && this.#ledger.isUnwritten(successor) ? successor : undefined;
  }
}

/** The host that a service of the hub's target had in an earlier one; else the host itself. */
export function predecessorOf({ target }: Pick<Hub, "target">, host: HostKey, earlier: string): HostKey {
  const [namespace, name] = splitKey(host);
  if (namespace !== target || !name.endsWith(`.${namespace}`)) return host;
  return `${earlier}/${name.slice(0, -namespace.length)}${earlier}`;
}

/** For a host of an earlier target of the hub: that of its service in the present one; else the host itself. */
export function successorOf({ target }: Hub, host: HostKey): HostKey {
  const [namespace, name] = splitKey(host);
  if (namespace === target || !name.endsWith(`.${namespace}`)) return host;
  return `${target}/${name.slice(0, -namespace.length)}${target}`;
}
