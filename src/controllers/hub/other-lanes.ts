import { isDeepStrictEqual } from "node:util";
import { type Claim, type Entry, type HostKey, isOwner } from "../../model/entry.ts";
import type { Hub, HubId, HubIdentity, HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { Problem } from "../../model/problems.ts";
import type { ClaimInputs } from "../../plan/claims.ts";
import { untrusted } from "../../plan/trust-state.ts";
import type { HostLedger } from "./ledger.ts";

/** A hub that exists. One that cannot be read has the target "". */
export interface ExistingHub extends HubIdentity {
  /** RFC 3339. */
  readonly createdAt: string;
}

/** A hub that exists and that another lane serves. */
export interface OtherHub extends ExistingHub {
  /** undefined = it cannot be read, or its id is another hub's. */
  readonly hub: Hub | undefined;
}

/** Who may claim a host. */
export interface Claimant {
  readonly hub: Hub;
  claimInputs(host: HostKey, actual: Entry | undefined): ClaimInputs;
}

/** For sorting: the oldest first. */
export const ageOf = ({ createdAt, key }: Pick<ExistingHub, "createdAt" | "key">): string =>
  `${createdAt} ${key}`;

const unsynced = untrusted({ settleMs: 0, settleAfterLossMs: 0, shrinkHoldMs: 0, resetHoldMs: 0 });

/** The hubs that exist and that this process does not serve. It knows them, so that it leaves alone what is theirs. */
export class OtherLanes {
  readonly #hubs = new Map<HubKey, OtherHub>();

  has(key: HubKey): boolean {
    return this.#hubs.has(key);
  }

  /** Returns whether the hub is new or has changed. */
  put(hub: OtherHub): boolean {
    const isNews = !isDeepStrictEqual(this.#hubs.get(hub.key), hub);
    this.#hubs.set(hub.key, hub);
    return isNews;
  }

  /** Returns whether the hub was one of them. */
  delete(key: HubKey): boolean {
    return this.#hubs.delete(key);
  }

  /** Those that can be read. Nobody here knows what they list, so all that the cluster has of them stays. */
  claimants(): readonly Claimant[] {
    return [...this.#hubs.values()].flatMap(({ hub }) => {
      const inputs = { mayWrite: false, trust: unsynced, listed: [], isUnknown: true };
      return hub === undefined ? [] : [{ hub, claimInputs: () => ({ hub, ...inputs }) }];
    });
  }

  /**
   * The hub whose lane writes a host with this entry, if that is another lane: the oldest one that exists and that the entry
   * names.
   *
   * @param own the hubs of this lane.
   */
  ownerOf(host: HostKey, entry: Entry, own: () => Iterable<ExistingHub>): HubKey | undefined {
    const oldestOf = (hubs: Iterable<ExistingHub>): string | undefined =>
      [...hubs]
        .filter((hub) => isOwner(hub, host, entry.hubs.get(hub.id)))
        .map(ageOf)
        .sort()[0];
    const other = oldestOf(this.#hubs.values());
    if (other === undefined) return undefined;
    const ours = oldestOf(own());
    return ours !== undefined && ours < other ? undefined : other.slice(other.indexOf(" ") + 1);
  }
}

/** A hub of this lane, as far as a host of another lane concerns it. */
interface LeavingHub {
  readonly hub: Hub;
  readonly ledger: Pick<HostLedger, "recordPlan" | "recordDryRun" | "markApplied">;
}

/** The host belongs to the lane of `owner`: the hubs of this lane have nothing to do there, and those that claim it say so. */
export function leaveToOtherLane(
  host: HostKey,
  owner: HubKey,
  claims: ReadonlyMap<HubId, Claim>,
  hubs: readonly LeavingHub[],
): void {
  for (const { hub, ledger } of hubs) {
    const claim = claims.get(hub.id);
    ledger.recordPlan(host, 0, claim?.key === hub.key ? [otherLane(host, owner, claim)] : []);
    ledger.recordDryRun(host, undefined);
    ledger.markApplied(host);
  }
}

function otherLane(host: HostKey, owner: HubKey, { listed }: Claim): Problem {
  const detail = `hub ${owner} has the ServiceEntry of this host and is in another lane, so what this hub lists does not change it; give both hubs the labels of one lane`;
  const severity = listed.length > 0 ? "rejected" : "warning";
  return { at: splitKey(host)[1], code: "OtherLane", detail, severity };
}
