import { whyKept } from "../../controllers/hub/entry-changes.ts";
import type { HubSession } from "../../controllers/hub/session.ts";
import type { Entry, EntryEndpoint, HostKey, HostPort } from "../../model/entry.ts";
import type { HubId, HubKey } from "../../model/hub.ts";
import type { Steps } from "../../runtime/slices.ts";
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
const unreadable = "its registry cannot be read now";

/** One service; null = no entry of ours has the host. */
export function* serviceAnswer(knowledge: Knowledge, host: HostKey): Steps<ServiceAnswer | null> {
  const { entries, hubs: existing, sessions } = knowledge;
  const entry = entries.hostObject(host)?.entry;
  if (entry === undefined) return null;
  const { name, shape, vip, exportTo, emptySince, hubs, endpoints } = entry;
  const voices = sessions
    .filter(({ hub, listings }) => hubs.has(hub.id) || listings.listed(host).length > 0)
    .map((session) => voiceOf(session, entry));
  const known = new Set(voices.map(({ id }) => id));
  const silent = new Map(hubs.entries().filter(([id, key]) => !known.has(id) && existing.has(key)));
  const shown: EndpointOnPage[] = [];
  for (const one of endpoints.values().take(mostEndpoints)) {
    shown.push(endpointOnPage(one, entry, voices, silent));
    yield;
  }
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
    endpoints: shown,
  };
}

/** What a hub of this process says about the host. */
interface Voice {
  readonly id: HubId;
  readonly listed: ReadonlySet<HostPort>;
  /** What becomes of what it does not list. */
  readonly unlisted: Standing;
}

type Standing = Pick<EndpointOnPage, "state" | "why">;

function voiceOf(session: HubSession, entry: Entry): Voice {
  const { hub, isSynced, listings } = session;
  const listed = isSynced ? listings.listed(entry.host).map(({ hostPort }) => hostPort) : [];
  return { id: hub.id, listed: new Set(listed), unlisted: unlistedOf(session, entry) };
}

function unlistedOf(session: HubSession, entry: Entry): Standing {
  const { hub, isSynced } = session;
  if (hub.suspend) return { state: "kept", why: "its hub is suspended" };
  if (hub.policy === "observe") return { state: "kept", why: "its hub only observes" };
  if (!isSynced) return { state: "unknown", why: unreadable };
  const why = whyKept(session.claimInputs(entry.host, entry), entry.host);
  return why === undefined
    ? { state: "unknown", why: "not listed; it goes, unless its target takes no entries now" }
    : { state: "kept", why };
}

/** @param silent hubs of the entry that exist, and of which this process knows nothing. */
function endpointOnPage(
  one: EntryEndpoint,
  entry: Entry,
  voices: readonly Voice[],
  silent: ReadonlyMap<HubId, HubKey>,
): EndpointOnPage {
  const { hostPort, by, weight = 1, locality = "", mtls = false, labels } = one;
  const isOf = (id: HubId): boolean => by.size === 0 || by.has(id); // an adopted endpoint names no hub, and is that of any
  return {
    endpoint: hostPort,
    hubs: [...by].map((id) => entry.hubs.get(id) || `hub ${id}`),
    weight,
    locality,
    mtls,
    labels,
    ...standingOf(
      hostPort,
      voices.filter(({ id }) => isOf(id)),
      [...silent].flatMap(([id, key]) => (isOf(id) ? [key] : [])),
    ),
  };
}

/** What keeps an endpoint says more than what nobody knows, and that more than that a hub lets it go. */
function standingOf(hostPort: HostPort, vouching: readonly Voice[], silent: readonly HubKey[]): Standing {
  if (vouching.some(({ listed }) => listed.has(hostPort))) return { state: "listed", why: "" };
  const kept = vouching.filter(({ unlisted }) => unlisted.state === "kept");
  if (kept.length > 0)
    return { state: "kept", why: [...new Set(kept.map(({ unlisted }) => unlisted.why))].join("; ") };
  if (silent.length > 0)
    return { state: "unknown", why: `this process does not serve ${silent.join(", ")}, which may list it` };
  const unread = vouching.find(({ unlisted }) => unlisted.why === unreadable) ?? vouching[0];
  return unread?.unlisted ?? { state: "unknown", why: "its hub does not exist; it goes" };
}
