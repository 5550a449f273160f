import {
  type Claim,
  type Endpoint,
  type Entry,
  type HostKey,
  type HostPort,
  isOwner,
  type Ms,
} from "../model/entry.ts";
import type { Hub, HubId, HubKey } from "../model/hub.ts";
import { splitKey } from "../model/keys.ts";
import { isTrusted, type TrustState } from "./trust-state.ts";

/** All that decides what one hub claims of one host. */
export interface ClaimInputs {
  readonly hub: Hub;
  /** false = the hub only says what must stay: it is suspended, observes, or its target does not take its entries. */
  readonly mayWrite: boolean;
  readonly trust: TrustState;
  /** What the registry lists for the host. */
  readonly listed: readonly Endpoint[];
  /** As in Claim. */
  readonly leftOut?: readonly HostPort[];
  /**
   * What is not listed is unknown: the registry has the host's service, but it, or a part of it, could not be read; or the
   * host is of an earlier target, and the entry that replaces it is not written.
   */
  readonly isUnknown: boolean;
}

/** What all hubs say about one host. */
export interface HostClaims {
  /** By hub: those that exist, oldest first, then those that are missing but not gone. */
  readonly claims: ReadonlyMap<HubId, Claim>;
  /** When a missing hub may turn out to be gone; undefined = no such hub has a claim. */
  readonly wakeInMs: Ms | undefined;
  /** Nobody can tell where the entry, or a part of it, comes from, so it stays until somebody deletes it. */
  readonly isUnexplained: boolean;
}

/**
 * Everything that hubs say about a host, of which the cluster has `actual`. A hub that neither lists the host nor owns
 * some of its entry has no claim, and no more has a hub that is gone. Of two hubs with one id the one that the entry
 * names has a claim, else the older one.
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
    if (claim !== undefined && !claims.has(inputs.hub.id)) claims.set(inputs.hub.id, claim);
  }
  const existing = new Set(hubs.map(({ hub }) => hub.key));
  let wakeInMs: Ms | undefined;
  let isUnexplained = actual?.ours === true && actual.hubs.size === 0 && claims.size === 0;
  for (const [id, key] of actual?.hubs ?? []) {
    if (claims.has(id)) continue;
    const isExplained = key !== "" && !existing.has(key);
    const leftMs = isExplained ? goneInMs(key) : undefined;
    if (leftMs === 0) continue;
    if (leftMs !== undefined) wakeInMs = Math.min(leftMs, wakeInMs ?? leftMs);
    if (!isExplained) isUnexplained = true;
    claims.set(id, claimOfMissing(key, actual));
  }
  return { claims, wakeInMs, isUnexplained };
}

/** What one hub claims; undefined = nothing. While it may not write, it only says what must stay. */
export function claimOf(host: HostKey, actual: Entry | undefined, inputs: ClaimInputs): Claim | undefined {
  const { hub, mayWrite, trust } = inputs;
  if (isOfNamesake(hub, actual)) return undefined;
  const listed = mayWrite ? inputs.listed : [];
  const leftOut = mayWrite && hub.policy !== "upsert-only" ? (inputs.leftOut ?? []) : []; // that one never removes
  if (listed.length === 0 && !owns(inputs, host, actual)) return undefined;
  const { key, name, l7, outlierDetection, exportTo, identity, subjectAltNames, protocol } = hub;
  const weights = hub.instances.weights || hub.instances.shares.length > 0;
  const labels = hub.instances.labels.map(({ label }) => label);
  const isUnknown = !mayWrite || inputs.isUnknown || hub.policy === "upsert-only";
  const unlisted = isUnknown ? "unknown" : unlistedVerdict(trust, host, listed.length > 0);
  const said = {
    l7,
    protocol,
    identity,
    ...(subjectAltNames !== undefined && { subjectAltNames }),
    ...(outlierDetection !== undefined && { outlierDetection }),
    ...(exportTo !== undefined && { exportTo }),
    ...(leftOut.length > 0 && { leftOut }),
  };
  return { key, name, ...said, labels, weights, mayWrite, listed, unlisted };
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

/** Whether the entry gives the hub's id to another hub. */
function isOfNamesake({ id, key }: Hub, actual: Entry | undefined): boolean {
  const name = actual?.hubs.get(id) ?? "";
  return name !== "" && name !== key;
}

/** Until a hub has settled, it also owns what only names it for people: an entry of the old product, an endpoint without `by`. */
function owns({ hub, trust }: ClaimInputs, host: HostKey, actual: Entry | undefined): boolean {
  if (actual === undefined) return false;
  if (isOwner(hub, host, actual.hubs.get(hub.id))) return true;
  if (isTrusted(trust) || splitKey(host)[0] !== hub.target) return false;
  const nameless = [...actual.endpoints.values()].filter(({ by }) => by.size === 0);
  const names = nameless.map(({ registryName }) => registryName);
  return names.includes(hub.name) || (!actual.ours && actual.registryName === hub.name);
}

function claimOfMissing(key: HubKey, actual: Entry | undefined): Claim {
  const name = splitKey(key)[1];
  const { l7, outlierDetection, exportTo, subjectAltNames } = actual ?? { l7: true, outlierDetection: true };
  const said = {
    l7,
    outlierDetection,
    ...(exportTo !== undefined && { exportTo }),
    ...(subjectAltNames !== undefined && { subjectAltNames }),
  };
  return { key, name, ...said, mayWrite: false, listed: [], unlisted: "unknown" };
}
