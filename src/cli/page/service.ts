import { whyKept } from "../../controllers/hub/entry-changes.ts";
import type { HubSession } from "../../controllers/hub/session.ts";
import type { Entry, EntryEndpoint, HostKey, HostPort } from "../../model/entry.ts";
import type { HubId, HubKey } from "../../model/hub.ts";
import type { Knowledge } from "./knowledge.ts";

/** An endpoint of a service. */
export interface EndpointOnPage {
  readonly endpoint: HostPort;
  /** That vouch for it. */
  readonly hubs: readonly HubKey[];
  readonly weight: number;
  readonly locality: string;
  /** Whether proxies call it by Istio's mTLS. */
  readonly mtls: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** "kept" = it stays although its registry does not list it; "unknown" = this process cannot tell. */
  readonly state: "listed" | "kept" | "unknown";
  /** Of what is not listed. */
  readonly why: string;
}

/** What GET /api/service answers, or null. */
export interface ServiceAnswer {
  readonly host: HostKey;
  /** Of its ServiceEntry. */
  readonly name: string;
  readonly kind: string;
  /** `group/interface:version` of a Dubbo service, else the name of the service. */
  readonly service: string;
  readonly vip: string;
  readonly protocol: string;
  /** The port that callers use. */
  readonly port: number;
  /** The namespaces that see it; absent = all. */
  readonly exportTo?: readonly string[];
  /** RFC 3339, while it has no endpoints. */
  readonly emptySince?: string;
  readonly hubs: readonly HubKey[];
  readonly endpointCount: number;
  /** The first 1,000. */
  readonly endpoints: readonly EndpointOnPage[];
}

const mostEndpoints = 1_000;

/** One service; undefined = no entry of ours has the host. */
export function serviceAnswer({ entries, sessions }: Knowledge, host: HostKey): ServiceAnswer | undefined {
  const entry = entries.hostObject(host)?.entry;
  if (entry === undefined) return undefined;
  const { name, shape, vip, exportTo, emptySince, hubs, endpoints } = entry;
  const voices = sessions
    .filter(({ hub, listings }) => hubs.has(hub.id) || listings.listed(host).length > 0)
    .map((session) => voiceOf(session, entry));
  return {
    host,
    name,
    kind: shape.service.kind,
    service: shape.service.serviceKey || shape.service.originalName || shape.service.name,
    vip,
    protocol: shape.protocol,
    port: shape.port,
    ...(exportTo && { exportTo }),
    ...(emptySince !== undefined && { emptySince }),
    hubs: [...hubs.values()],
    endpointCount: endpoints.size,
    endpoints: [...endpoints.values().take(mostEndpoints)].map((one) => endpointOnPage(one, entry, voices)),
  };
}

/** What a hub says about the host. */
interface Voice {
  readonly id: HubId;
  readonly isSynced: boolean;
  readonly listed: ReadonlySet<HostPort>;
  /** Why what it does not list stays; undefined = it does not. */
  readonly whyKept: string | undefined;
}

function voiceOf(session: HubSession, entry: Entry): Voice {
  const { hub, isSynced, listings } = session;
  return {
    id: hub.id,
    isSynced,
    listed: new Set(listings.listed(entry.host).map(({ hostPort }) => hostPort)),
    whyKept: whyKept(session.claimInputs(entry.host, entry), entry.host),
  };
}

function endpointOnPage(one: EntryEndpoint, entry: Entry, voices: readonly Voice[]): EndpointOnPage {
  const { hostPort, by, weight = 1, locality = "", mtls = false, labels } = one;
  return {
    endpoint: hostPort,
    hubs: [...by].map((id) => entry.hubs.get(id) || `hub ${id}`),
    weight,
    locality,
    mtls,
    labels,
    // An adopted endpoint names no hub, and is that of any.
    ...standingOf(
      hostPort,
      voices.filter(({ id }) => by.size === 0 || by.has(id)),
    ),
  };
}

/** @param vouching those of its hubs. */
function standingOf(hostPort: HostPort, vouching: readonly Voice[]): Pick<EndpointOnPage, "state" | "why"> {
  const read = vouching.filter(({ isSynced }) => isSynced);
  if (read.some(({ listed }) => listed.has(hostPort))) return { state: "listed", why: "" };
  if (vouching.length === 0) return { state: "unknown", why: "this process serves none of its hubs" };
  if (read.length < vouching.length) return { state: "unknown", why: "its registry cannot be read now" };
  const reasons = new Set(read.flatMap(({ whyKept: why }) => why ?? []));
  if (reasons.size > 0) return { state: "kept", why: [...reasons].join("; ") };
  return { state: "unknown", why: "not listed; it goes, unless its hub may not write now" };
}
