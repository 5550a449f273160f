import type { Entry, HostKey } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { Steps } from "../../runtime/slices.ts";
import { identityOf, type Knowledge } from "./knowledge.ts";

/** "held" = an endpoint stays that its registry does not list; "empty" = it has none. */
export type ServiceState = "fine" | "held" | "empty";

/** A service in a list. */
export interface ServiceOnPage {
  readonly host: HostKey;
  /** As in ServiceIdentity. */
  readonly service: string;
  /** That of the ServiceEntry. */
  readonly name: string;
  readonly state: ServiceState;
  /** "" = it has none. */
  readonly vip: string;
  readonly protocol: string;
  /** The port that callers use. */
  readonly port: number;
  readonly endpoints: number;
  readonly hubs: readonly HubKey[];
}

/** What GET /api/services answers. */
export interface ServicesAnswer {
  /** How many there are of the hub, or of all. */
  readonly total: number;
  /** How many of them were asked for; `services` has the first ones. */
  readonly found: number;
  readonly services: readonly ServiceOnPage[];
}

/** Which services are asked for. */
export interface ServicesAsked {
  /** undefined = of all hubs. */
  readonly hub: HubKey | undefined;
  /** A part of the host, of the name or of an endpoint's address, in any case; "" = all. */
  readonly search: string;
  /** undefined = any. */
  readonly state: ServiceState | undefined;
}

const mostServices = 500;

/** Reads `?hub=<namespace>/<name>&search=<text>&state=fine|held|empty`. */
export function servicesAsked(query: URLSearchParams): ServicesAsked {
  const states: readonly ServiceState[] = ["fine", "held", "empty"];
  return {
    hub: query.get("hub") || undefined,
    search: (query.get("search") ?? "").trim().toLowerCase(),
    state: states.find((state) => state === query.get("state")),
  };
}

/** The services of hubs, hub by hub and by the names of their entries; a service of several hubs is once in it. */
export function* servicesAnswer(knowledge: Knowledge, asked: ServicesAsked): Steps<ServicesAnswer> {
  const { entries, hubs } = knowledge;
  const found = new Map<HostKey, HubKey>();
  const seen = new Set<HostKey>();
  const objects = asked.hub === undefined ? Array.from(hubs.values()) : [hubs.get(asked.hub)];
  for (const object of objects) {
    yield;
    if (object === undefined) continue;
    const identity = identityOf(object);
    for (const { host } of entries.hostsOf(identity)) {
      yield;
      if (seen.has(host)) continue;
      seen.add(host);
      if (isAsked(host, asked, knowledge)) found.set(host, identity.key);
    }
  }
  const services: ServiceOnPage[] = [];
  for (const [host, hub] of found.entries().take(mostServices)) {
    yield;
    const entry = entries.hostObject(host)?.entry;
    if (entry !== undefined) services.push(serviceOnPage(entry, hub, knowledge)); // else it is gone since
  }
  return { total: seen.size, found: found.size, services };
}

function isAsked(host: HostKey, { search, state }: ServicesAsked, knowledge: Knowledge): boolean {
  if (state === undefined && host.includes(search)) return true;
  const entry = knowledge.entries.hostObject(host)?.entry;
  if (entry === undefined || (state !== undefined && state !== stateOf(entry, knowledge))) return false;
  const { service } = entry.shape;
  return (
    [host, service.name, service.serviceKey, service.originalName, entry.name, entry.vip]
      .values()
      .some((name) => name.toLowerCase().includes(search)) ||
    entry.endpoints.keys().some((hostPort) => hostPort.includes(search))
  );
}

function stateOf({ host, endpoints }: Entry, { sessions }: Knowledge): ServiceState {
  if (sessions.some(({ isSynced, ledger }) => isSynced && ledger.withholds(host))) return "held";
  return endpoints.size === 0 ? "empty" : "fine";
}

/** @param hub one of its hubs, which an entry that was taken over may not name. */
function serviceOnPage(entry: Entry, hub: HubKey, knowledge: Knowledge): ServiceOnPage {
  const { host, name, vip, shape, endpoints } = entry;
  const named = [...entry.hubs.values()].filter((key) => key !== "");
  return {
    host,
    service: shape.service.originalName || shape.service.name || splitKey(host)[1],
    name,
    state: stateOf(entry, knowledge),
    vip,
    protocol: shape.protocol,
    port: shape.port,
    endpoints: endpoints.size,
    hubs: named.length > 0 ? named : [hub],
  };
}
