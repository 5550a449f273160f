import type { Endpoint, HostKey, HostPort, ServiceIdentity } from "../model/entry.ts";
import type { Hub, Share } from "../model/hub.ts";
import { selectsLabels } from "../model/label-selector.ts";
import { nameLabelOf } from "../model/labels.ts";
import { type Problem, withoutSecrets } from "../model/problems.ts";
import type { Service, ServiceInstance } from "../model/service.ts";
import { addressProblem, addrOf } from "./addresses.ts";
import { type LabelChoice, labelsOf } from "./endpoint-labels.ts";
import { dubboServiceKey, dubboServiceName, hostOf } from "./names.ts";
import { type Dosed, dosed, shareLabelsOf } from "./shares.ts";

/** An entry's annotations have the name several times, and together at most 256 KiB. */
const maxNameLength = 1_000;
/** How much of a name a problem quotes. */
const maxShown = 120;
/** Kubernetes has room for 63 characters in each of region, zone and subzone, and Istio's CRD for 2,048 in all. */
const maxLocalityLength = 200;

/** What one service of a registry asks for: endpoints by host, and the problems of what the operator cannot use. */
export interface HostListing {
  /** Sorted by service and address within each host. A host without usable endpoints is absent. */
  readonly byHost: ReadonlyMap<HostKey, readonly Endpoint[]>;
  /** Instances with a share of 0 %, by host: they are listed, and are no endpoints. */
  readonly leftOut: ReadonlyMap<HostKey, readonly HostPort[]>;
  /** How many instances the hub's selector and its shares leave out. */
  readonly excluded: number;
  readonly problems: readonly Problem[];
}

const nothing: HostListing["leftOut"] = new Map();

/** Translates one service for one hub. Never throws; the order of instances does not matter. */
export function listingOf(service: Service, hub: Hub): HostListing {
  const problems = [...service.problems];
  const byHost = new Map<HostKey, Endpoint[]>();
  const identities = new Map<
    string,
    { readonly host: HostKey; readonly identity: ServiceIdentity } | undefined
  >();
  const labelling = createLabelling(service, hub);
  const leftOut = new Map<HostKey, readonly HostPort[]>();
  let [excluded, isIgnored] = [0, false];
  for (const instance of service.instances === "unknown" ? [] : service.instances) {
    if (!selectsLabels(hub.instances.selector, instance.facts)) {
      excluded++;
      continue;
    }
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
    if (hasLongLocality(instance)) problems.push(localityTooLong(service, instance));
    const endpoints = byHost.get(place.host) ?? [];
    byHost.set(place.host, endpoints);
    endpoints.push(endpointOf(instance, place.identity, hub, labelling.labelsFor(instance)));
  }
  for (const [host, endpoints] of byHost)
    byHost.set(host, endpoints.sort(byServiceAndAddr).filter(isFirst).slice());
  if (hub.instances.shares.length > 0)
    for (const [host, endpoints] of byHost) {
      const dose = dosedTogether(endpoints, hub.instances.shares);
      byHost.set(host, dose.endpoints);
      if (dose.leftOut.length > 0) leftOut.set(host, dose.leftOut);
      excluded += dose.leftOut.length;
      isIgnored ||= dose.isIgnored;
    }
  if (isIgnored) problems.push(shareIgnored(service));
  if (labelling.leftOut !== undefined) problems.push(tooManyLabels(service, labelling.leftOut));
  return { byHost, leftOut: leftOut.size > 0 ? leftOut : nothing, excluded, problems };
}

/**
 * The host of a Spring service, or the host that a Dubbo service without group and version would have; undefined when
 * too long.
 */
export function hostKeyOf(service: Service, hub: Hub): HostKey | undefined {
  return placeOf(service, service.name, "", hub)?.host;
}

/** The host that an instance of a service belongs to, whether or not it can be used; undefined when too long. */
export function hostOfInstance(service: Service, instance: ServiceInstance, hub: Hub): HostKey | undefined {
  return placeOf(service, nameOf(service, instance), keyOf(service, instance), hub)?.host;
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

/** Doses the endpoints of a host; those compete for its calls that an entry can have together. */
function dosedTogether(
  endpoints: readonly Endpoint[],
  shares: readonly Share[],
): Dosed & { endpoints: Endpoint[] } {
  const rivals = Map.groupBy(endpoints, ({ service, protocol }) => `${protocol} ${service.serviceKey}`);
  const doses = [...rivals.values()].map((some) => dosed(some, shares));
  return {
    endpoints: doses.flatMap((dose) => dose.endpoints).sort(byServiceAndAddr),
    leftOut: doses.flatMap((dose) => dose.leftOut),
    isIgnored: doses.some(({ isIgnored }) => isIgnored),
  };
}

function shareIgnored({ name }: Service): Problem {
  const detail =
    "all instances that are listed have shares of 0 %, so shares do not count until there are others; give one of the shares more";
  return { at: name.slice(0, maxShown), code: "ShareIgnored", detail, severity: "warning" };
}

/** Two spellings of one IPv6 address are two instances of a registry, and one endpoint. */
function isFirst(one: Endpoint, at: number, sorted: readonly Endpoint[]): boolean {
  const before = sorted[at - 1];
  return (
    before === undefined ||
    before.hostPort !== one.hostPort ||
    before.protocol !== one.protocol ||
    before.service.serviceKey !== one.service.serviceKey
  );
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
  if (place === undefined || name.length > maxNameLength) return undefined;
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
  const what =
    name.length > maxNameLength
      ? `the name is longer than ${maxNameLength} characters`
      : "the host would be longer than 253 characters";
  const detail = `${what}; shorten the service name, group or version`;
  return { at: `${name.slice(0, maxShown)}…`, code: "NameTooLong", detail, severity: "rejected" };
}

function localityTooLong(service: Service, { address, port }: ServiceInstance): Problem {
  const detail = `its region and zone are longer than ${maxLocalityLength} characters, so the endpoint has none; register shorter ones`;
  return { at: `${service.name} ${addrOf(address, port)}`, code: "BadInstance", detail, severity: "warning" };
}

const hasLongLocality = ({ locality = "" }: ServiceInstance): boolean => locality.length > maxLocalityLength;

/** One spelling per address: IPv6 has many. */
function canonical(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** The labels of a service's endpoints. */
interface Labelling {
  /** Instances that share their metadata also share their labels object. */
  labelsFor(instance: ServiceInstance): Endpoint["labels"];
  /** A key for which one of them had no room: the first by name. */
  readonly leftOut: string | undefined;
}

function createLabelling(service: Service, hub: Hub): Labelling {
  const nameMark = service.kind === "spring" ? { [nameLabelOf(hub.registry.type)]: service.name } : {};
  const { labels: asked, shares, weights } = hub.instances;
  const isDosed = shares.length > 0;
  const askedLabels = asked.map(({ label }) => label);
  const choices: LabelChoice[] = [];
  const choose = (metadata: ServiceInstance["metadata"], facts: ServiceInstance["facts"]): LabelChoice => {
    const more = asked.flatMap(({ key, label }) => (facts?.[key] === undefined ? [] : [[label, facts[key]]]));
    const choice = labelsOf({ ...metadata, ...Object.fromEntries(more), ...nameMark }, askedLabels, isDosed);
    choices.push(choice);
    return choice;
  };
  const dosedBy = new Map<LabelChoice, Map<string, Endpoint["labels"]>>();
  const known = new Map<ServiceInstance["metadata"], Map<ServiceInstance["facts"], LabelChoice>>();
  return {
    labelsFor({ metadata, facts, weight = 1 }) {
      const told = asked.length > 0 ? facts : undefined;
      const ofMetadata = known.get(metadata) ?? new Map<ServiceInstance["facts"], LabelChoice>();
      known.set(metadata, ofMetadata);
      const choice = ofMetadata.get(told) ?? choose(metadata, told);
      ofMetadata.set(told, choice);
      if (!isDosed) return choice.labels;
      const own = shareLabelsOf(shares, facts, weights ? weight : 1);
      const dosedLabels = dosedBy.get(choice) ?? new Map<string, Endpoint["labels"]>();
      dosedBy.set(choice, dosedLabels);
      const key = JSON.stringify(own);
      const labels = dosedLabels.get(key) ?? { ...choice.labels, ...own };
      dosedLabels.set(key, labels);
      return labels;
    },
    get leftOut() {
      return choices.flatMap(({ leftOut }) => leftOut ?? []).sort()[0];
    },
  };
}

function tooManyLabels({ name }: Service, key: string): Problem {
  const detail = `an endpoint has no room for more than 32 labels or 2 kB of them, so ${key} and others are left out; register less metadata`;
  return { at: name.slice(0, maxShown), code: "TooManyLabels", detail, severity: "warning" };
}

function endpointOf(
  instance: ServiceInstance,
  service: ServiceIdentity,
  { instances: { weights } }: Hub,
  labels: Endpoint["labels"],
): Endpoint {
  const address = canonical(instance.address);
  const endpoint = {
    hostPort: addrOf(address, instance.port),
    address,
    port: instance.port,
    protocol: service.kind === "spring" ? ("tcp" as const) : instance.protocol,
    service,
    labels,
  };
  const hasWeight = instance.weight !== undefined && weights;
  const hasLocality = instance.locality !== undefined && !hasLongLocality(instance);
  if (!hasWeight && !hasLocality) return endpoint; // what is spread keeps room for more, of 100,000
  return {
    ...endpoint,
    ...(hasWeight && { weight: instance.weight }),
    ...(hasLocality && { locality: instance.locality }),
  };
}
