import { ListingIndex } from "../controllers/listing-index.ts";
import type { HostKey } from "../model/entry.ts";
import type { Hub } from "../model/hub.ts";
import type { EnvoyFilter, ServiceEntry } from "../model/istio.ts";
import { splitKey } from "../model/keys.ts";
import type { Problem } from "../model/problems.ts";
import type { Snapshot } from "../model/service.ts";
import { planHost } from "../plan/host.ts";
import { chooseVip, type VipPool } from "../plan/vip.ts";
import { routeOf } from "../translate/dubbo-route.ts";
import { bufferFilter, outboundFilter } from "../translate/envoy-filter.ts";
import { hubIdOf, objectName } from "../translate/names.ts";
import { portNameOf, serviceEntryOf } from "../translate/service-entry.ts";

/** What a hub would make of a registry in a cluster that has nothing of it. */
export interface Generated {
  /** Sorted by host. */
  readonly serviceEntries: readonly ServiceEntry[];
  /** Those of each entry, and then one per port. */
  readonly envoyFilters: readonly EnvoyFilter[];
  readonly problems: readonly Problem[];
  /** Hosts for which no virtual IP was free. */
  readonly withoutVip: readonly HostKey[];
}

/** Pure: the same snapshot and hub give the same objects. */
export function generate(hub: Hub, snapshot: Snapshot, pool: VipPool, rootNamespace: string): Generated {
  const listing = new ListingIndex();
  listing.update(snapshot.services, hub);
  const problems = [...snapshot.problems, ...listing.problems];
  const entries = new Map<string, ServiceEntry>();
  const vips = new Set<string>();
  const withoutVip: HostKey[] = [];
  const id = hubIdOf(hub.key);
  for (const host of [...listing.hosts()].sort()) {
    const [, hostname] = splitKey(host);
    const { key, name, l7, protocol } = hub;
    const { step, problems: found } = planHost({
      host,
      actual: undefined,
      claims: new Map([
        [id, { key, name, l7, protocol, writes: true, listed: listing.listed(host), rest: "gone" }],
      ]),
      emptyForMs: 0,
      graceMs: 0,
      now: "",
      portName: (endpoint, port) => portNameOf(endpoint.service.kind, endpoint.protocol, port),
      chooseName: ({ service }) => objectName(service.kind, hostname, (taken) => entries.has(taken)),
      chooseVip: () => chooseVip(hostname, pool, (ip) => vips.has(ip)),
    });
    problems.push(...(found.get(id) ?? []));
    if (step.op === "blocked") withoutVip.push(host);
    if (step.op !== "apply") continue;
    vips.add(step.entry.vip);
    entries.set(step.entry.name, serviceEntryOf(step.entry));
  }
  const serviceEntries = [...entries.values()];
  return {
    serviceEntries,
    envoyFilters: filtersOf(serviceEntries, pool, rootNamespace),
    problems,
    withoutVip,
  };
}

/** What the dubbo-controller makes of these entries, and of no others: those of each entry, and one more per port. */
export function filtersOf(
  serviceEntries: readonly ServiceEntry[],
  pool: VipPool,
  rootNamespace: string,
): readonly EnvoyFilter[] {
  const rules = { foreign: false, believes: (vip: string) => pool.believes(vip), hasElder: () => false };
  const routes = serviceEntries.flatMap((entry) => {
    const verdict = routeOf(entry, rules);
    return verdict.verdict === "route" ? [verdict.route] : [];
  });
  const ports = [...new Set(routes.map(({ port }) => port))].sort((a, b) => a - b);
  return [
    ...routes.map((route) => outboundFilter(route, rootNamespace)),
    ...ports.map((port) => bufferFilter(port, rootNamespace)),
  ];
}
