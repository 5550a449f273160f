import type { ServiceEntry } from "../../src/model/istio.ts";
import { rfc3339 } from "../../src/model/time.ts";
import type { Change } from "../support/cluster-recorder.ts";

/** An endpoint of the mesh: a host and "address:port". */
export interface Target {
  readonly host: string;
  readonly hostPort: string;
}

/** From when until when an endpoint was truly there and known to the cluster, in Date.now(). */
export interface Life extends Target {
  readonly from: number;
  /** Absent while it lives. */
  readonly to?: number;
}

/** "address:port" of every endpoint of an entry. */
export function addrsOf(entry: ServiceEntry | undefined): ReadonlySet<string> {
  const endpoints = entry?.spec.endpoints ?? [];
  return new Set(endpoints.map(({ address, ports }) => `${address}:${Object.values(ports ?? {})[0]}`));
}

/** One sentence for each endpoint, and each filter of an endpoint's host, that was missing at any moment of its life. */
export function losses(changes: readonly Change[], lives: readonly Life[]): readonly string[] {
  const livingAt = (moment: number, host: string) =>
    lives.filter(
      ({ host: its, from, to }) => its === host && from <= moment && (to === undefined || moment < to),
    );
  const entries = [...endpointsOverTime(changes)].flatMap(({ at, host, addrs }) =>
    livingAt(at, host)
      .filter(({ hostPort }) => !addrs.has(hostPort))
      .map(({ hostPort }) => `endpoint ${hostPort} of ${host} was removed at ${rfc3339(at)}`),
  );
  const filters = [...filtersOverTime(changes)]
    .filter(({ at, host, isFiltered }) => !isFiltered && livingAt(at, host).length > 0)
    .map(({ at, host }) => `the filter of ${host} was removed at ${rfc3339(at)}`);
  return [...entries, ...filters];
}

/** When an endpoint was first removed from its entry at or after `since`. */
export function removedAt(changes: readonly Change[], target: Target, since: number): number | undefined {
  let isThere = false;
  for (const { at, host, addrs } of endpointsOverTime(changes)) {
    if (host !== target.host) continue;
    if (isThere && !addrs.has(target.hostPort) && at >= since) return at;
    isThere = addrs.has(target.hostPort);
  }
  return undefined;
}

/** Each state of each host's entry. A deleted entry has no endpoints. */
function* endpointsOverTime(changes: readonly Change[]) {
  const hosts = new Map<string, string>();
  for (const { at, kind, name, object } of changes) {
    if (kind !== "serviceentries") continue;
    const entry = object as ServiceEntry | undefined;
    const host = entry?.spec.hosts?.[0] ?? hosts.get(name) ?? "";
    hosts.set(name, host);
    yield { at, host, addrs: addrsOf(entry) };
  }
}

/** Whether each host has a filter, after each change of one. */
function* filtersOverTime(changes: readonly Change[]) {
  const byHost = new Map<string, Set<string>>();
  for (const { at, kind, name, object } of changes) {
    if (kind !== "envoyfilters") continue;
    const host = hostOfFilter(name);
    const names = byHost.get(host) ?? new Set();
    byHost.set(host, names);
    if (object === undefined) names.delete(name);
    else names.add(name);
    yield { at, host, isFiltered: names.size > 0 };
  }
}

/** From `aeraki-outbound-<host>-<vip>-<port>`; "" for the filter of a port. */
export function hostOfFilter(name: string): string {
  return /^aeraki-outbound-(.+)-[\d.]+-\d+$/.exec(name)?.[1] ?? "";
}
