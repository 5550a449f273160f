import type { Claim, Entry, HostKey, Ms } from "../model/entry.ts";
import type { HubId } from "../model/hub.ts";
import { splitKey } from "../model/keys.ts";
import type { ApplyFailure } from "../status/hub-status.ts";
import type { Occupant } from "./entries.ts";
import type { HubSession } from "./hub-session.ts";

/** What a host's work asks of a hub. */
export type Speaker = Pick<HubSession, "id" | "hub" | "isWriting" | "listings" | "ledger" | "claim">;

/** What gathering claims asks of the controller. */
export interface HubsWorld {
  /** The hubs that exist, oldest first. */
  sessions(): readonly Speaker[];
  /** Why the hub's entries cannot be written at all. */
  targetProblem(session: Speaker): ApplyFailure | undefined;
  /** For a hub that owns something and does not exist: 0 = gone, else how long until it may be; undefined = it cannot be told. */
  goneInMs(hub: string): Ms | undefined;
}

export interface HostClaims {
  /** By hub, oldest first, then those that are missing but not gone. */
  readonly claims: ReadonlyMap<HubId, Claim>;
  /** When a missing hub may turn out to be gone. */
  readonly wakeInMs: Ms | undefined;
}

/** What every hub that exists, or may exist again, says about a host. A hub that is gone has no claim. */
export function claimsOn(host: HostKey, actual: Entry | undefined, world: HubsWorld): HostClaims {
  const claims = new Map<HubId, Claim>();
  const known = new Set<HubId>();
  for (const session of world.sessions()) {
    known.add(session.id);
    const isWriting = session.isWriting && world.targetProblem(session) === undefined;
    const claim = session.claim(host, actual, isWriting);
    if (claim !== undefined) claims.set(session.id, claim);
  }
  let wakeInMs: Ms | undefined;
  for (const [id, key] of ownersOf(actual)) {
    if (known.has(id)) continue;
    const goneInMs = key === "" ? undefined : world.goneInMs(key);
    if (goneInMs === 0) continue;
    if (goneInMs !== undefined) wakeInMs = Math.min(goneInMs, wakeInMs ?? goneInMs);
    claims.set(id, {
      key,
      name: splitKey(key)[1],
      l7: actual?.l7 ?? true,
      writes: false,
      listed: [],
      rest: "unknown",
    });
  }
  return { claims, wakeInMs };
}

/** Whether the ServiceEntry is ours, or the old product's and, where it names its hub, claimed by that one. */
export function isOurMatter({ ownership, entry }: Occupant, claims: ReadonlyMap<HubId, Claim>): boolean {
  if (ownership === "ours") return true;
  if (ownership === "foreign" || entry === undefined) return false;
  if (entry.shape.service.kind === "dubbo") return true;
  return [...claims.values()].some((claim) => claim.name === entry.registryName);
}

/** The hubs of the labels and those that endpoints name. */
function ownersOf(actual: Entry | undefined): ReadonlyMap<HubId, string> {
  const owners = new Map(actual?.hubs);
  for (const { by } of actual?.endpoints.values() ?? [])
    for (const id of by) if (!owners.has(id)) owners.set(id, "");
  return owners;
}
