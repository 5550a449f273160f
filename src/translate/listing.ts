import type { Endpoint, HostKey, ServiceIdentity } from "../model/entry.ts";
import type { Hub } from "../model/hub.ts";
import { type Problem, withoutSecrets } from "../model/problems.ts";
import type { Service, ServiceInstance } from "../model/service.ts";
import { addressProblem, addrOf } from "./addresses.ts";
import { labelsOf } from "./endpoint-labels.ts";
import { dubboServiceKey, dubboServiceName, hostOf } from "./names.ts";

/** What one service of a registry asks for: endpoints by host, and the problems of what the operator cannot use. */
export interface HostListing {
  /** Sorted by service and address within each host. A host without usable endpoints is absent. */
  readonly byHost: ReadonlyMap<HostKey, readonly Endpoint[]>;
  readonly problems: readonly Problem[];
}

/** Translates one service for one hub. Never throws; the order of instances does not matter. */
export function listingOf(service: Service, hub: Hub): HostListing {
  const problems = [...service.problems];
  const byHost = new Map<HostKey, Endpoint[]>();
  const identities = new Map<
    string,
    { readonly host: HostKey; readonly identity: ServiceIdentity } | undefined
  >();
  const labelsFor = sharedLabels(service, hub);
  for (const instance of service.instances === "unknown" ? [] : service.instances) {
    const key = keyOf(service, instance);
    if (!identities.has(key)) {
      const name = nameOf(service, instance);
      const place = placeOf(service, name, key, hub);
      identities.set(key, place);
      if (place === undefined) problems.push(nameTooLong(name));
    }
    const place = identities.get(key);
    if (place === undefined) continue;
    const bad = addressProblem(instance.address, instance.port);
    if (bad !== undefined) {
      const at = `${service.name} ${addrOf(withoutSecrets(instance.address), instance.port)}`;
      problems.push({ at, ...bad, severity: "rejected" });
      continue;
    }
    const endpoints = byHost.get(place.host) ?? [];
    byHost.set(place.host, endpoints);
    endpoints.push(endpointOf(instance, place.identity, labelsFor(instance)));
  }
  for (const endpoints of byHost.values()) endpoints.sort(byServiceAndAddr);
  return { byHost, problems };
}

/**
 * The host of a Spring service, or the host that a Dubbo service without group and version would have; undefined when
 * too long.
 */
export function hostKeyOf(service: Service, hub: Hub): HostKey | undefined {
  return placeOf(service, service.name, "", hub)?.host;
}

/**
 * Orders endpoints by their service, which two of one host rarely differ in, then by address text, then by everything
 * else, so that the order of arrival does not matter.
 */
function byServiceAndAddr(a: Endpoint, b: Endpoint): number {
  if (a.service.serviceKey !== b.service.serviceKey)
    return a.service.serviceKey < b.service.serviceKey ? -1 : 1;
  if (a.hostPort !== b.hostPort) return a.hostPort < b.hostPort ? -1 : 1;
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function nameOf(service: Service, instance: ServiceInstance): string {
  return service.kind === "dubbo"
    ? dubboServiceName(service.name, instance.group, instance.version)
    : service.name;
}

/** Two Dubbo services may want one host: they differ in case, or in whether group or version says "1.0". */
function keyOf(service: Service, instance: ServiceInstance): string {
  return service.kind === "dubbo" ? dubboServiceKey(service.name, instance.group, instance.version) : "";
}

function placeOf(
  service: Service,
  name: string,
  serviceKey: string,
  hub: Hub,
): { readonly host: HostKey; readonly identity: ServiceIdentity } | undefined {
  const place = hostOf(name, hub.target);
  if (place === undefined) return undefined;
  const identity: ServiceIdentity = {
    kind: service.kind,
    name: service.name,
    serviceKey,
    originalName: place.altered ? name : "",
    registry: service.kind === "spring" ? hub.registry.type : "",
    registryGroup: service.registryGroup ?? "",
  };
  return { host: `${hub.target}/${place.host}`, identity };
}

function nameTooLong(name: string): Problem {
  const detail = "the host would be longer than 253 characters; shorten the service name, group or version";
  return { at: `${name.slice(0, 120)}…`, code: "NameTooLong", detail, severity: "rejected" };
}

/** One spelling per address: IPv6 has many. */
function canonical(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** The labels of a service's endpoints. Instances that share their metadata also share their labels object. */
function sharedLabels(service: Service, hub: Hub): (instance: ServiceInstance) => Endpoint["labels"] {
  const nameMark = service.kind === "spring" ? { [`${hub.registry.type}Name`]: service.name } : {};
  const known = new Map<ServiceInstance["metadata"], Endpoint["labels"]>();
  return ({ metadata }) => {
    const labels = known.get(metadata) ?? labelsOf({ ...metadata, ...nameMark });
    known.set(metadata, labels);
    return labels;
  };
}

function endpointOf(
  instance: ServiceInstance,
  service: ServiceIdentity,
  labels: Endpoint["labels"],
): Endpoint {
  const address = canonical(instance.address);
  return {
    hostPort: addrOf(address, instance.port),
    address,
    port: instance.port,
    protocol: service.kind === "spring" ? "tcp" : instance.protocol,
    service,
    ...(instance.weight !== undefined && service.kind === "spring" && { weight: instance.weight }),
    ...(instance.locality !== undefined && { locality: instance.locality }),
    labels,
  };
}
