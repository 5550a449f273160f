import type { Entry, HostKey, HostPort, Instant, Ms } from "../../model/entry.ts";
import type { HubId, HubKey } from "../../model/hub.ts";
import { rfc3339 } from "../../model/time.ts";
import type { ClaimInputs } from "../../plan/claims.ts";
import type { Clock } from "../../runtime/deps.ts";
import { whyKept } from "./entry-changes.ts";

/** So many hosts of a hub are told one by one that are held within a minute of each other. */
const toldHolds = 20;
const holdsMs = 60_000;

/** What a hub withholds of a host: endpoints that it does not list, and that stay for now. */
interface Held {
  readonly endpoints: readonly HostPort[];
  readonly why: string;
  /** Since when they have been missing; undefined = the hub cannot tell. */
  readonly since: Since | undefined;
  /** They go with the next write. */
  readonly isReleased: boolean;
  readonly isTold: boolean;
}

interface Since {
  /** Wall time. */
  readonly ms: Ms;
  /** false = they may have been missing before. */
  readonly isExact: boolean;
}

/** A host as one hub sees it. */
export interface HeldLook {
  readonly hub: HubKey;
  readonly id: HubId;
  readonly inputs: ClaimInputs;
  /** How many endpoints the plan withholds for the hub. */
  readonly count: number;
}

/**
 * What has become of what a hub withholds: endpoints are kept, or not any more; somebody took them out; or they are kept of so
 * many more hosts that none of these is told.
 */
export type HeldNews =
  | { readonly what: "Held" | "Released"; readonly why: string }
  | { readonly what: "taken"; readonly endpoints: readonly HostPort[] }
  | { readonly what: "more" };

/** What the hubs of this process withhold, host by host. */
export class HeldHosts {
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  readonly #hosts = new Map<HostKey, Map<HubKey, Held>>();
  /** By hub: when it last began to withhold something of a host, and how often without a pause. */
  readonly #begun = new Map<HubKey, { readonly at: Instant; readonly count: number }>();

  constructor(clock: Pick<Clock, "now" | "monotonic">) {
    this.#clock = clock;
  }

  /** Whether something of any host is withheld, or about to go. */
  get isHolding(): boolean {
    return this.#hosts.size > 0;
  }

  /**
   * Takes in what was planned for a hub, and returns what is new. Nothing is where the hub's silence says nothing anyway,
   * because it is suspended or not synced.
   * @param entry what the cluster has; undefined = nothing.
   */
  planned(
    host: HostKey,
    { hub, id, inputs, count }: HeldLook,
    entry: Entry | undefined,
  ): readonly HeldNews[] {
    const held = this.#hosts.get(host)?.get(hub);
    if (entry === undefined) this.#put(host, hub, undefined);
    if (entry === undefined || (count === 0 && held === undefined)) return [];
    if (!inputs.mayWrite || !inputs.trust.isSynced) {
      if (held !== undefined) this.#put(host, hub, { ...held, since: undefined });
      return [];
    }
    const named = new Set([...inputs.listed.map(({ hostPort }) => hostPort), ...(inputs.leftOut ?? [])]);
    const taken = held?.endpoints.filter((one) => !entry.endpoints.has(one) && !named.has(one)) ?? [];
    const missing = [...entry.endpoints.values()]
      .filter(({ by, hostPort }) => (by.size === 0 || by.has(id)) && !named.has(hostPort))
      .map(({ hostPort }) => hostPort);
    const since = inputs.isUnknown ? undefined : (held?.since ?? this.#sinceNow(inputs, held === undefined));
    const isBack = taken.length < (held?.endpoints.length ?? 0);
    const news =
      count > 0
        ? this.#keeps(host, hub, { endpoints: missing, since, why: whyKept(inputs, host) }, held)
        : this.#releases(host, hub, { endpoints: missing, since, isBack }, held);
    return taken.length > 0 ? [{ what: "taken", endpoints: taken }, ...news] : news;
  }

  #keeps(
    host: HostKey,
    hub: HubKey,
    { endpoints, since, why }: Pick<Held, "endpoints" | "since"> & { readonly why: string | undefined },
    held: Held | undefined,
  ): readonly HeldNews[] {
    if (why === undefined) return [];
    const isNews = why !== held?.why || held.isReleased;
    const nth = isNews ? this.#begins(hub) : 0;
    const isTold = isNews ? nth <= toldHolds : held.isTold;
    this.#put(host, hub, { endpoints, since, why, isReleased: false, isTold });
    if (nth === toldHolds + 1) return [{ what: "more" }];
    return isNews && isTold ? [{ what: "Held", why: `${endpoints.length} of its endpoints: ${why}` }] : [];
  }

  #releases(
    host: HostKey,
    hub: HubKey,
    { endpoints, since, isBack }: Pick<Held, "endpoints" | "since"> & { readonly isBack: boolean },
    held: Held | undefined,
  ): readonly HeldNews[] {
    if (held === undefined) return [];
    const goes = endpoints.length > 0;
    this.#put(host, hub, goes ? { ...held, endpoints, since, isReleased: true } : undefined);
    if (!held.isTold || (goes ? held.isReleased : !isBack)) return [];
    const why = goes ? "the hold is over, so what is not listed goes" : "nothing is missing any more";
    return [{ what: "Released", why }];
  }

  /** How many hosts the hub has begun to withhold something of, without a pause. */
  #begins(hub: HubKey): number {
    const now = this.#clock.monotonic();
    const before = this.#begun.get(hub);
    const count = before && now - before.at < holdsMs ? before.count + 1 : 1;
    this.#begun.set(hub, { at: now, count });
    return count;
  }

  /** The entry was written: what it lost is not withheld any more. */
  written(host: HostKey, { endpoints }: Entry): void {
    for (const [hub, held] of this.#hosts.get(host) ?? []) {
      const left = held.endpoints.filter((one) => endpoints.has(one));
      this.#put(host, hub, left.length === 0 ? undefined : { ...held, endpoints: left });
    }
  }

  /** Hubs that this process does not serve any more withhold nothing that it knows of. */
  keepOnly(host: HostKey, isServed: (hub: HubKey) => boolean): void {
    for (const hub of this.#hosts.get(host)?.keys() ?? [])
      if (!isServed(hub)) this.#put(host, hub, undefined);
  }

  /** Since when what a hub withheld has been missing, in words; undefined = it withheld nothing. */
  sinceOf(host: HostKey, hub: HubKey): string | undefined {
    const held = this.#hosts.get(host)?.get(hub);
    if (held === undefined) return undefined;
    const { ms, isExact } = held.since ?? { ms: this.#clock.now(), isExact: false };
    return `since ${rfc3339(ms)}${isExact ? "" : " or earlier"}`;
  }

  /** What is missing when a hub begins to tell may have been so before. */
  #sinceNow({ trust }: ClaimInputs, isFirstLook: boolean): Since {
    const isExact = isFirstLook && trust.settling === undefined && trust.reset === undefined;
    return { ms: this.#clock.now(), isExact };
  }

  #put(host: HostKey, hub: HubKey, held: Held | undefined): void {
    const hubs = this.#hosts.get(host) ?? new Map<HubKey, Held>();
    if (held === undefined) hubs.delete(hub);
    else hubs.set(hub, held);
    if (hubs.size === 0) this.#hosts.delete(host);
    else this.#hosts.set(host, hubs);
  }
}
