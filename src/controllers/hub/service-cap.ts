import type { HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { Problem } from "../../model/problems.ts";
import type { Steps } from "../../runtime/slices.ts";

/** How many services a hub may have, and what the cluster has of it. */
export interface ServiceCap {
  readonly most: number;
  /** How many hosts of the hub the cluster has; may count some that are another hub's. */
  ownedAtMost(): number;
  /** Those hosts, listed or not; of an earlier target's as they are called in the present one. */
  owned(): Iterable<HostKey>;
}

export const noCap: ServiceCap = { most: Infinity, ownedAtMost: () => 0, owned: () => [] };

/**
 * The listed hosts that are beyond the cap: what the cluster has of the hub and what it already listed count first, then
 * the others by name.
 *
 * @param found those that were not listed before.
 * @param before those that were beyond the cap before.
 */
export function* beyondCap(
  { most, ownedAtMost, owned }: ServiceCap,
  listed: ReadonlyMap<HostKey, unknown>,
  found: readonly HostKey[],
  before: ReadonlySet<HostKey>,
): Steps<ReadonlySet<HostKey>> {
  const comesNothing = found.length === 0 && before.size === 0;
  if (comesNothing || listed.size + ownedAtMost() <= most) return nothing; // as nearly always
  const unlisted = new Set<HostKey>();
  for (const host of owned()) {
    if (!listed.has(host)) unlisted.add(host);
    yield;
  }
  if (listed.size + unlisted.size <= most) return nothing;
  const ownedHosts = new Set(owned());
  const newcomers: HostKey[] = [];
  for (const host of new Set([...found, ...before])) {
    if (listed.has(host) && !ownedHosts.has(host)) newcomers.push(host);
    yield;
  }
  const room = Math.max(0, most - (listed.size - newcomers.length) - unlisted.size);
  return newcomers.length <= room ? nothing : new Set(newcomers.sort().slice(room));
}

const nothing: ReadonlySet<HostKey> = new Set();

export function tooManyServices(beyond: ReadonlySet<HostKey>, { most }: ServiceCap): readonly Problem[] {
  const [first] = beyond;
  if (first === undefined) return [];
  const detail = `--max-services-per-hub allows ${most}, so ${beyond.size} more are left out, and what the hub has stays; narrow spec.services, or raise the flag`;
  return [{ at: splitKey(first)[1], code: "TooManyServices", detail, severity: "rejected" }];
}
