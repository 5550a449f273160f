import type { Endpoint, HostKey } from "../../model/entry.ts";
import type { Hub } from "../../model/hub.ts";
import type { Service } from "../../model/service.ts";
import { preference } from "../../plan/shape.ts";
import { type HostListing, hostKeyOf, listingOf } from "../../translate/listing.ts";

/** A service as the hub's hosts have it. */
export interface WantedService extends HostListing {
  readonly service: Service;
  /** How many endpoints the entries of its hosts could contain. */
  readonly usable: number;
  /** The Dubbo interface, or the host of a Spring service, if the service could not be read, or not all of it. */
  readonly unknown: string | undefined;
}

/** Translates a service, which takes a thirtieth of a millisecond for 10 instances. */
export function wantedService(service: Service, hub: Hub): WantedService {
  const listing = listingOf(service, hub);
  const usable = listing.byHost.values().reduce((sum, endpoints) => sum + usableOf(endpoints), 0);
  const isWhole = service.instances !== "unknown" && service.isPartial !== true;
  const unknown = isWhole ? undefined : service.kind === "dubbo" ? service.name : hostKeyOf(service, hub);
  return { ...listing, service, usable, unknown };
}

/** How many of a host's endpoints an entry could contain: those that speak the preferred protocol. */
function usableOf(endpoints: readonly Endpoint[]): number {
  const preferred = preference.find((protocol) => endpoints.some((one) => one.protocol === protocol));
  return endpoints.filter(({ protocol }) => protocol === preferred).length;
}

/** The services that a hub wants, by id and by host; at first those of another, or none. */
export class WantedServices {
  readonly #byId: Map<string, WantedService>;
  /** The services that list something for a host, seldom more than one. */
  readonly #byHost: Map<HostKey, readonly WantedService[]>;
  /** What could not be read, with the number of services that say so. */
  readonly #unknown: Map<string, number>;
  /** Those with problems, seldom many. */
  readonly #troubled: Map<string, WantedService>;
  #endpoints: number;
  #excluded: number;

  constructor(other?: WantedServices) {
    this.#byId = new Map(other?.byId);
    this.#byHost = new Map(other?.byHost);
    this.#unknown = new Map(other?.unknown);
    this.#troubled = new Map(other?.troubled);
    this.#endpoints = other?.endpoints ?? 0;
    this.#excluded = other?.excluded ?? 0;
  }

  /** The number of endpoints over all hosts. */
  get endpoints(): number {
    return this.#endpoints;
  }

  /** The number of instances that the hub's selector and its shares leave out. */
  get excluded(): number {
    return this.#excluded;
  }

  get byId(): ReadonlyMap<string, WantedService> {
    return this.#byId;
  }

  get byHost(): ReadonlyMap<HostKey, readonly WantedService[]> {
    return this.#byHost;
  }

  get unknown(): ReadonlyMap<string, number> {
    return this.#unknown;
  }

  get troubled(): ReadonlyMap<string, WantedService> {
    return this.#troubled;
  }

  /** Replaces what there is of a service; undefined = with nothing. */
  put(id: string, wanted: WantedService | undefined): void {
    this.#drop(id);
    if (wanted === undefined) return;
    this.#byId.set(id, wanted);
    if (wanted.problems.length > 0) this.#troubled.set(id, wanted);
    this.#endpoints += wanted.usable;
    this.#excluded += wanted.excluded;
    for (const host of wanted.byHost.keys()) {
      const others = this.#byHost.get(host);
      this.#byHost.set(host, others === undefined ? [wanted] : [...others, wanted]);
    }
    if (wanted.unknown !== undefined)
      this.#unknown.set(wanted.unknown, (this.#unknown.get(wanted.unknown) ?? 0) + 1);
  }

  #drop(id: string): void {
    const wanted = this.#byId.get(id);
    if (wanted === undefined) return;
    this.#byId.delete(id);
    this.#troubled.delete(id);
    this.#endpoints -= wanted.usable;
    this.#excluded -= wanted.excluded;
    for (const host of wanted.byHost.keys()) {
      const others = (this.#byHost.get(host) ?? []).filter((other) => other !== wanted);
      if (others.length > 0) this.#byHost.set(host, others);
      else this.#byHost.delete(host);
    }
    if (wanted.unknown === undefined) return;
    const others = (this.#unknown.get(wanted.unknown) ?? 0) - 1;
    if (others > 0) this.#unknown.set(wanted.unknown, others);
    else this.#unknown.delete(wanted.unknown);
  }
}
