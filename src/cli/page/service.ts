import { whyKept } from "../../controllers/hub/entry-changes.ts";
import type { Entry, EntryEndpoint, HostKey, HostPort } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
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
  /** Why it stays although its registry does not list it; "" = it is listed, or nobody knows. */
  readonly kept: string;
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
    endpoints: [...endpoints.values().take(mostEndpoints)].map((one) => endpointOnPage(one, entry, sessions)),
  };
}

function endpointOnPage(one: EntryEndpoint, entry: Entry, sessions: Knowledge["sessions"]): EndpointOnPage {
  const { hostPort, by, weight = 1, locality = "", mtls = false, labels } = one;
  const vouching = sessions.filter(({ hub }) => by.has(hub.id));
  const isListed = vouching.some(({ listings }) =>
    listings.listed(entry.host).some((listed) => listed.hostPort === hostPort),
  );
  const reasons = isListed
    ? []
    : vouching.flatMap((session) => whyKept(session.claimInputs(entry.host, entry), entry.host) ?? []);
  return {
    endpoint: hostPort,
    hubs: [...by].map((id) => entry.hubs.get(id) || `hub ${id}`),
    weight,
    locality,
    mtls,
    labels,
    kept: [...new Set(reasons)].join("; "),
  };
}
