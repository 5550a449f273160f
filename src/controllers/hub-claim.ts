import type { Claim, Entry, HostKey, Ms } from "../model/entry.ts";
import type { Hub, HubId } from "../model/hub.ts";
import { restOf, type Trust } from "../plan/trust.ts";
import type { ListingIndex } from "./listing-index.ts";

/** What a hub's word rests on. */
export interface Voice {
  readonly id: HubId;
  readonly hub: Hub;
  readonly listings: ListingIndex;
  readonly trust: Trust;
  /** The registry has not been listed yet: the hub speaks for entries of the old product that name it. */
  readonly isPending: boolean;
}

/**
 * What a hub says about a host; undefined when it has no say: it neither lists the host nor owns some of its entry.
 * While it does not write, it only says what must stay. `now` is monotonic.
 */
export function hubClaim(
  voice: Voice,
  host: HostKey,
  actual: Entry | undefined,
  isWriting: boolean,
  now: Ms,
): Claim | undefined {
  const { hub, listings } = voice;
  const listed = isWriting ? listings.listed(host) : [];
  if (listed.length === 0 && !owns(voice, actual)) return undefined;
  const { key, name, l7, protocol } = hub;
  return {
    key,
    name,
    l7,
    protocol,
    writes: isWriting,
    listed,
    rest: rest(voice, host, actual, isWriting, now),
  };
}

function owns({ id, hub, isPending }: Voice, actual: Entry | undefined): boolean {
  if (actual === undefined) return false;
  if (actual.hubs.has(id)) return true;
  const endpoints = [...actual.endpoints.values()];
  if (actual.ours) return endpoints.some((endpoint) => endpoint.by.has(id));
  const names = [actual.registryName, ...endpoints.map((endpoint) => endpoint.registryName)];
  return isPending && names.includes(hub.name);
}

function rest(
  { hub, listings, trust }: Voice,
  host: HostKey,
  actual: Entry | undefined,
  isWriting: boolean,
  now: Ms,
): Claim["rest"] {
  if (!isWriting || listings.isUnknown(host, actual?.shape.service.name ?? "")) return "unknown";
  return restOf(hub.policy === "upsert-only", trust, listings.has(host), now);
}
