import type { HostKey, Ms } from "../../model/entry.ts";
import type { Hold, HubStatus } from "../../model/hub.ts";
import { parseTime, rfc3339 } from "../../model/time.ts";
import { brake, hasRecovered, type Trust } from "../../plan/trust.ts";
import type { Clock } from "../../runtime/deps.ts";

export interface TrustLimits {
  /** How long nothing counts as gone after the first listing of a watch. */
  readonly settleMs: Ms;
  /** The same after the registry showed that it had lost its data. */
  readonly settleAfterLossMs: Ms;
  readonly shrinkHoldMs: Ms;
  readonly resetHoldMs: Ms;
}

/** A period in wall time, for people; the deadlines themselves are monotonic. */
interface Period {
  readonly since: string;
  readonly until: string;
}

/** What one hub's registry lists, and what the cluster has of the hub. */
export interface ListingCounts {
  readonly listedHosts: number;
  readonly listedEndpoints: number;
  /** Endpoints in the cluster that this hub vouches for; called only when the registry lost its data. */
  endpointsInCluster(): number;
}

const nothingHeld = { settledAt: 0, heldUntil: 0, resetUntil: 0 };
/** The origin of a registry that identifies its data but has no root; it differs from every other origin. */
const noData = "none";

/**
 * Keeps a hub's Trust: settling after each first listing, the brake on vanishing services, and the hold after a loss
 * of data (docs/architecture.md). Every change of Trust goes through this class. It calls `flipped` when "unknown"
 * may have become "gone", with the hold that began at that moment, if one did.
 */
export class HubTrust {
  readonly #clock: Clock;
  #limits: TrustLimits;
  readonly #flipped: (began?: "Shrunk") => void;
  #trust: Trust = { synced: false, ...nothingHeld };
  /**
   * When each host that now lists nothing lost its last instance. Together with the listed hosts they are what the
   * hub "had".
   */
  readonly #lostAt = new Map<HostKey, Ms>();
  #settling: Period | undefined;
  #hold: (Period & { readonly endpoints: number }) | undefined;
  #origin: string;
  /** The origin of the last listing, "none" included; a reset is judged once per change. */
  #seenOrigin: string;
  #dataWasLost = false;
  /** How many services the hold of an earlier process covered, until the first listing. */
  #inherited = 0;
  #listedHosts = 0;
  #timer: () => void = () => undefined;

  constructor(clock: Clock, limits: TrustLimits, flipped: (began?: "Shrunk") => void, restored?: HubStatus) {
    this.#clock = clock;
    this.#limits = limits;
    this.#flipped = flipped;
    this.#origin = restored?.origin ?? "";
    this.#seenOrigin = this.#origin;
    if (restored?.hold) this.#restore(restored.hold, restored);
  }

  get trust(): Trust {
    return this.#trust;
  }

  /** status.origin: the origin of the newest data that the registry had. */
  get origin(): string {
    return this.#origin;
  }

  /** The registry can no longer vouch for its listing; `dataWasLost` = it also showed that it started over. */
  lose(dataWasLost: boolean): void {
    this.#trust = { ...this.#trust, synced: false };
    this.#dataWasLost ||= dataWasLost;
  }

  /**
   * Takes a complete listing. `lost` hosts list nothing any more, `found` hosts list something again. Returns the
   * hold that began with it, if one did. Call it before planning any host on the listing.
   */
  listed(
    listing: { readonly first: boolean; readonly origin: string | undefined; readonly counts: ListingCounts },
    lost: Iterable<HostKey>,
    found: Iterable<HostKey>,
  ): "Shrunk" | "RegistryReset" | undefined {
    const now = this.#clock.monotonic();
    this.#expireHold(now); // its timer may be late
    if (listing.first) this.#settle(now, this.#dataWasLost);
    this.#trust = { ...this.#trust, synced: true };
    this.#listedHosts = listing.counts.listedHosts;
    this.#missed([...lost], listing.first, now);
    for (const host of found) this.#lostAt.delete(host);
    const reset = this.#judgeOrigin(listing.origin, listing.counts, now);
    const shrunk = this.#judgeShrink(now);
    this.#arm();
    return reset ?? shrunk;
  }

  /**
   * The hub asks for other entries or another registry filter: settles again, without suspecting what it no longer
   * asks for.
   */
  resettle(): void {
    this.#settle(this.#clock.monotonic());
    this.#lostAt.clear();
    this.#arm();
  }

  /** The hub has another registry, with its own limits: drops everything known and held of the old one. */
  forget(limits: TrustLimits): void {
    this.#limits = limits;
    this.#trust = { synced: false, ...nothingHeld };
    this.#lostAt.clear();
    this.#settling = undefined;
    this.#hold = undefined;
    this.#origin = "";
    this.#seenOrigin = "";
    this.#dataWasLost = false;
    this.#inherited = 0;
    this.#timer();
  }

  /** Ends the hold whose `until` is `until`, at its owner's request. Returns whether there was one. */
  release(until: string): boolean {
    const now = this.#clock.monotonic();
    if (until === "") return false;
    if (this.#hold?.until === until) {
      this.#endHold();
      this.#lostAt.clear();
    } else if (this.#settling?.until === until && now < this.#trust.settledAt) {
      this.#trust = { ...this.#trust, settledAt: now };
      for (const [host, at] of this.#lostAt) this.#lostAt.set(host, Math.min(at, now));
    } else {
      return false;
    }
    const began = this.#judgeShrink(now);
    this.#arm();
    this.#flipped(began);
    return true;
  }

  /** The hold and its end; `services` and `endpoints` = how many are withheld now. */
  held(
    services: number,
    endpoints: number,
  ): { readonly reason: "Settling" | "Shrunk" | "RegistryReset"; readonly hold: Hold } | undefined {
    const now = this.#clock.monotonic();
    if (now < this.#trust.resetUntil && this.#hold) {
      return { reason: "RegistryReset", hold: { ...this.#hold, services } };
    }
    if (!this.#trust.synced || services === 0) return undefined;
    if (now < this.#trust.settledAt && this.#settling) {
      return { reason: "Settling", hold: { ...this.#settling, services, endpoints } };
    }
    if (now < this.#trust.heldUntil && this.#hold)
      return { reason: "Shrunk", hold: { ...this.#hold, services, endpoints } };
    return undefined;
  }

  close(): void {
    this.#timer();
  }

  /**
   * Records when hosts were lost: at the end of settling, when the brake judges them. Hosts that a hold already covers
   * are not recorded again and count as gone at its end. After a restart, the hold of the status covers as many hosts
   * as it counted.
   */
  #missed(hosts: readonly HostKey[], isFirst: boolean, now: Ms): void {
    const isHeld = now < Math.max(this.#trust.heldUntil, this.#trust.resetUntil);
    const isInherited = hosts.length <= this.#inherited;
    this.#inherited = 0;
    for (const host of hosts) {
      const isKnown = this.#lostAt.has(host) && (isHeld || !isFirst);
      if (isKnown || (isInherited && !isHeld)) continue;
      this.#lostAt.set(host, isInherited ? now : Math.max(now, this.#trust.settledAt));
    }
  }

  #settle(now: Ms, dataWasLost = false): void {
    const length = dataWasLost ? this.#limits.settleAfterLossMs : this.#limits.settleMs;
    this.#trust = { ...this.#trust, settledAt: now + length };
    this.#settling = this.#period(length);
  }

  #judgeOrigin(origin: string | undefined, counts: ListingCounts, now: Ms): "RegistryReset" | undefined {
    const seen = origin ?? (this.#seenOrigin === "" ? "" : noData);
    const isReset = this.#dataWasLost || (this.#seenOrigin !== "" && seen !== this.#seenOrigin);
    this.#dataWasLost = false;
    this.#seenOrigin = seen;
    if (origin !== undefined) this.#origin = origin;
    const isHeld = now < this.#trust.resetUntil;
    const had = isHeld ? (this.#hold?.endpoints ?? 0) : isReset ? counts.endpointsInCluster() : 0;
    if ((isReset || isHeld) && hasRecovered(counts.listedEndpoints, had)) {
      if (isHeld) this.#endHold();
      if (isHeld) this.#flipped();
      return undefined;
    }
    if (!isReset || isHeld) return undefined;
    this.#trust = { ...this.#trust, heldUntil: 0, resetUntil: now + this.#limits.resetHoldMs };
    this.#hold = { ...this.#period(this.#limits.resetHoldMs), endpoints: had };
    return "RegistryReset";
  }

  #judgeShrink(now: Ms): "Shrunk" | undefined {
    if (!this.#trust.synced || now < this.#trust.settledAt || now < this.#trust.resetUntil) return undefined;
    for (const [host, at] of this.#lostAt)
      if (now - at >= this.#limits.shrinkHoldMs) this.#lostAt.delete(host);
    const wasHeld = now < this.#trust.heldUntil;
    const had = this.#listedHosts + this.#lostAt.size;
    this.#trust = brake(this.#trust, had, this.#lostAt.size, this.#limits.shrinkHoldMs, now);
    const isHeld = now < this.#trust.heldUntil;
    if (!isHeld) this.#hold = undefined;
    if (wasHeld || !isHeld) return undefined;
    this.#hold = { ...this.#period(this.#limits.shrinkHoldMs), endpoints: 0 };
    return "Shrunk";
  }

  #endHold(): void {
    this.#trust = { ...this.#trust, heldUntil: 0, resetUntil: 0 };
    this.#hold = undefined;
  }

  /**
   * Ends the hold for the hosts that it covered: they now count as gone. What a newer listing lacks is judged on its
   * own.
   */
  #expireHold(now: Ms): void {
    const until = Math.max(this.#trust.heldUntil, this.#trust.resetUntil);
    if (until === 0 || now < until) return;
    this.#endHold();
    for (const [host, at] of this.#lostAt) if (at < until) this.#lostAt.delete(host);
  }

  /** Sets one timer for the next deadline. At a deadline the brake decides before anything counts as gone. */
  #arm(): void {
    this.#timer();
    const now = this.#clock.monotonic();
    const { settledAt, heldUntil, resetUntil } = this.#trust;
    const next = Math.min(...[settledAt, heldUntil, resetUntil].filter((at) => at > now));
    if (Number.isFinite(next)) this.#timer = this.#clock.after(next - now, () => this.#deadline());
  }

  #deadline(): void {
    const now = this.#clock.monotonic();
    this.#expireHold(now);
    const began = this.#judgeShrink(now);
    this.#arm();
    this.#flipped(began);
  }

  #restore(hold: Hold, status: HubStatus): void {
    const reason = status.conditions.find(
      (one) => one.type === "DeletionHeld" && one.status === "True",
    )?.reason;
    if (reason !== "Shrunk" && reason !== "RegistryReset") return;
    const length = reason === "Shrunk" ? this.#limits.shrinkHoldMs : this.#limits.resetHoldMs;
    const left = Math.min(Math.max((parseTime(hold.until) ?? 0) - this.#clock.now(), 0), length);
    this.#inherited = hold.services;
    if (left === 0) return;
    const until = this.#clock.monotonic() + left;
    this.#trust = { ...this.#trust, ...(reason === "Shrunk" ? { heldUntil: until } : { resetUntil: until }) };
    this.#hold = { since: hold.since, until: hold.until, endpoints: hold.endpoints };
    this.#arm();
  }

  #period(length: Ms): Period {
    const now = this.#clock.now();
    return { since: rfc3339(now), until: rfc3339(now + length) };
  }
}
