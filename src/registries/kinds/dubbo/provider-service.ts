import type { Problem } from "../../../model/problems.ts";
import type { Service, ServiceInstance } from "../../../model/service.ts";
import { sharing } from "../../../runtime/sharing.ts";
import type { Provider } from "./provider.ts";

/** The service with these providers, in any order. A provider that is announced twice counts once. */
export function serviceOf(name: string, providers: readonly Provider[]): Service {
  return withProviders({ id: name, kind: "dubbo", name, instances: [], problems: [] }, providers);
}

/**
 * A service with additional providers. Its own instances win over equal ones of `providers`, but for the weight: of those
 * that are not the usual one the lowest counts, so that it may be set wherever the provider is registered; and
 * facts that they alone tell count too. If they add nothing, the service is returned as it is. An unreadable service stays unreadable.
 */
export function withProviders(service: Service, providers: readonly Provider[]): Service {
  if (service.instances === "unknown") return service;
  const found = providers.flatMap(({ instance }) => instance ?? []);
  const instances = distinct([...service.instances, ...found], instanceKey, together);
  const problems = distinct(
    [...service.problems, ...providers.flatMap(({ problem }) => problem ?? [])],
    problemKey,
  );
  const isSame =
    instances.length === service.instances.length &&
    instances.every((one, at) => one === service.instances[at]) &&
    problems.length === service.problems.length;
  return isSame ? service : { ...service, instances: sharingEquals(instances.toSorted(byAddress)), problems };
}

/** Instances of a service differ in little but their address, and there may be 100,000, so what is equal is shared. */
function sharingEquals(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
  const shared = sharing<ServiceInstance["metadata"]>();
  const sharedText = sharing<string>();
  return instances.map(({ address, port, protocol, version, group, metadata, ...more }) => {
    const instance = {
      address,
      port,
      protocol,
      version: sharedText(version),
      group: sharedText(group),
      metadata: shared(metadata),
    };
    const { facts } = more;
    return Object.keys(more).length === 0 // what is spread keeps room for more, of 100,000
      ? instance
      : { ...instance, ...more, ...(facts && { facts: shared(facts) }) };
  });
}

/** The first of each key, or what `merged` makes of it and a further one. */
function distinct<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  merged: (first: T, other: T) => T = (first) => first,
): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    const first = byKey.get(key);
    byKey.set(key, first === undefined ? item : merged(first, item));
  }
  return [...byKey.values()];
}

function together(first: ServiceInstance, { weight, facts }: ServiceInstance): ServiceInstance {
  const isLighter = weight !== undefined && weight < (first.weight ?? Infinity);
  const saysMore = facts !== undefined && Object.keys(facts).some((key) => first.facts?.[key] === undefined);
  if (!isLighter && !saysMore) return first;
  return { ...first, ...(isLighter && { weight }), ...(saysMore && { facts: { ...facts, ...first.facts } }) };
}

/** One process may offer several versions and groups of an interface on one port; they are different services. */
const instanceKey = ({ address, port, protocol, version, group }: ServiceInstance): string =>
  JSON.stringify([address, port, protocol, version, group]);

const problemKey = ({ at, code }: Problem): string => JSON.stringify([at, code]);

function byAddress(a: ServiceInstance, b: ServiceInstance): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port || (instanceKey(a) < instanceKey(b) ? -1 : 1);
}
