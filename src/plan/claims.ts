import type { Claim, Endpoint, Entry, HostKey, Ms } from "../model/entry.ts";
import type { Hub, HubId, HubKey } from "../model/hub.ts";
import { splitKey } from "../model/keys.ts";
import { isTrusted, type TrustState } from "./trust-state.ts";

/** All that decides what one hub claims of one host. */
export interface ClaimInputs {
  readonly id: HubId;
  readonly hub: Hub;
  /** false = the hub only says what must stay: it is suspended, observes, or its target does not take its entries. */
  readonly mayWrite: boolean;
  /** The registry has not been listed yet: until then the hub claims entries of the old product that name it. */
  readonly isPending: boolean;
  readonly trust: TrustState;
  /** What the registry lists for the host. */
  readonly listed: readonly Endpoint[];
  /** The registry has the host's service, but it, or a part of it, could not be read. */
  readonly isUnreadable: boolean;
}

/** What all hubs say about one host. */
export interface HostClaims {
  /** By hub: those that exist, oldest first, then those that are missing but not gone. */
  readonly claims: ReadonlyMap<HubId, Claim>;
  /** When a missing hub may turn out to be gone; undefined = no such hub has a claim. */
  readonly wakeInMs: Ms | undefined;
}

/**
 * Everything that hubs say about a host, of which the cluster has `actual`. A hub that neither lists the host nor owns some of its entry has no
 * claim, and no more has a hub that is gone.
 *
 * @param hubs those that exist, oldest first.
 * @param goneInMs for a hub that owns some of the entry and does not exist: 0 = it is gone, else how long until it may be;
 * undefined = that cannot be told.
 */
export function claimsOn(
  host: HostKey,
  actual: Entry | undefined,
  hubs: readonly ClaimInputs[],
  goneInMs: (hub: HubKey) => Ms | undefined,
): HostClaims {
  const claims = new Map<HubId, Claim>();
  for (const inputs of hubs) {
    const claim = claimOf(host, actual, inputs);
    if (claim !== undefined) claims.set(inputs.id, claim);
  }
  const known = new Set(hubs.map(({ id }) => id));
  let wakeInMs: Ms | undefined;
  for (const [id, key] of ownersOf(actual)) {
    if (known.has(id)) continue;
    const leftMs = key === "" ? undefined : goneInMs(key);
    if (leftMs === 0) continue;
    if (leftMs !== undefined) wakeInMs = Math.min(leftMs, wakeInMs ?? leftMs);
    claims.set(id, claimOfMissing(key, actual));
  }
  return { claims, wakeInMs };
}

/** What one hub claims; undefined = nothing. While it may not write, it only says what must stay. */
export function claimOf(host: HostKey, actual: Entry | undefined, inputs: ClaimInputs): Claim | undefined {
  const { hub, mayWrite, trust, isUnreadable } = inputs;
  const listed = mayWrite ? inputs.listed : [];
  if (listed.length === 0 && !owns(inputs, actual)) return undefined;
  const { key, name, l7, protocol } = hub;
  const isUnknown = !mayWrite || isUnreadable || hub.policy === "upsert-only";
  const unlisted = isUnknown ? "unknown" : unlistedVerdict(trust, host, listed.length > 0);
  return { key, name, l7, protocol, mayWrite, listed, unlisted };
}

/** What the hub says of the endpoints of a host that it does not list; `listsAny` = it lists others of the host. */
export function unlistedVerdict(trust: TrustState, host: HostKey, listsAny: boolean): Claim["unlisted"] {
  if (!isTrusted(trust)) return "unknown";
  return !listsAny && trust.losses.get(host)?.verdict === "braked" ? "unknown" : "gone";
}

/** Whether the hub itself wants to write; its target may still not take it. */
export function mayWrite(hub: Hub): boolean {
  return !hub.suspend && hub.policy !== "observe";
}

/** Whether the host's ServiceEntry may be written: it is ours, or the old product's and, where it names its hub, claimed by that one. */
export function mayTakeOver(
  existing: { readonly ownership: "ours" | "adoptable" | "foreign"; readonly entry: Entry | undefined },
  claims: ReadonlyMap<HubId, Claim>,
): boolean {
  const { ownership, entry } = existing;
  if (ownership === "ours") return true;
  if (ownership === "foreign" || entry === undefined) return false;
  if (entry.shape.service.kind === "dubbo") return true;
  return [...claims.values()].some((claim) => claim.name === entry.registryName);
}

function owns({ id, hub, isPending }: ClaimInputs, actual: Entry | undefined): boolean {
  if (actual === undefined) return false;
  if (actual.hubs.has(id)) return true;
  const endpoints = [...actual.endpoints.values()];
  if (actual.ours) return endpoints.some((endpoint) => endpoint.by.has(id));
  const names = [actual.registryName, ...endpoints.map((endpoint) => endpoint.registryName)];
  return isPending && names.includes(hub.name);
}

function claimOfMissing(key: HubKey, actual: Entry | undefined): Claim {
  const name = splitKey(key)[1];
  return { key, name, l7: actual?.l7 ?? true, mayWrite: false, listed: [], unlisted: "unknown" };
}

/** The hubs of the labels and those that endpoints name; "" where the annotation does not tell the name. */
function ownersOf(actual: Entry | undefined): ReadonlyMap<HubId, HubKey> {
  const owners = new Map(actual?.hubs);
  for (const { by } of actual?.endpoints.values() ?? [])
    for (const id of by) if (!owners.has(id)) owners.set(id, "");
  return owners;
}
