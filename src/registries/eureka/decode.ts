import { isIP } from "node:net";
import { type Service, type ServiceInstance, unknownService } from "../../model/service.ts";
import { badInstance, springInstance, springService } from "../kinds/spring/instance.ts";
import type { Application, EurekaInstance, Listing } from "./wire.ts";

/** The class of an empty map, and the keys by which Spring Boot Admin's clients tell one start from the next. */
const volatileMetadata = new Set(["@class", "startup", "timestamp"]);
/** us-east-1 of us-east-1a. */
const awsZone = /^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$/;

/**
 * The services of a list. `known` are the names, in any case, of what the cluster has: if an entry has no name, it may
 * be any of those that are not listed.
 */
export function decodeListing(listing: Listing, known: Iterable<string>): readonly Service[] {
  const byName = Map.groupBy(listing.applications, ({ name }) => name);
  const services = [...byName].map(([name, entries]) => decodeApplication(name, entries));
  if (listing.nameless === 0) return services;
  const missing = new Set([...known].map((name) => name.toUpperCase()).filter((name) => !byName.has(name)));
  const why =
    "the server lists an application without a name, which may be this one, so the operator keeps what the cluster has; remove it";
  return [
    ...services,
    ...[...missing].map((name) => unknownService({ id: name, kind: "spring", name }, why)),
  ];
}

/** An application with the instances that take calls; none if all are ill. */
function decodeApplication(name: string, entries: readonly Application[]): Service {
  const problems = entries
    .flatMap(({ malformed }) => malformed)
    .map(({ address, detail }) => badInstance(name, address, detail));
  const found: ServiceInstance[] = [];
  for (const one of entries.flatMap(({ instances }) => instances)) {
    if (one.status !== "UP") continue;
    const address = addressOf(one);
    const port = one.port ?? one.securePort;
    if (port === undefined)
      problems.push(badInstance(name, address, "both its port and its secure port are disabled"));
    else found.push(instanceOf(one, address, port));
  }
  // An instance that restarted under another id may be listed twice.
  const service = springService({ id: name, name }, found, problems);
  if (!entries.some(({ isUnreadable }) => isUnreadable)) return service;
  const why = `the server's list of ${name} has no form that Eureka uses, so the operator keeps what the cluster has`;
  const { problems: unread } = unknownService(service, why);
  return { ...service, isPartial: true, problems: [...service.problems, ...unread] };
}

/**
 * The address, or the host name if there is no IP address. A host name may be a container's id, which nobody can
 * resolve.
 */
const addressOf = ({ ipAddr, hostName }: EurekaInstance): string =>
  isIP(ipAddr.replace(/^\[(.*)\]$/, "$1")) === 0 ? hostName || ipAddr : ipAddr;

function instanceOf(
  { metadata, dataCenterInfo }: EurekaInstance,
  address: string,
  port: number,
): ServiceInstance {
  const weight = Number(metadata.weight);
  return springInstance({
    address,
    port,
    weight: weight > 0 && Number.isFinite(weight) ? weight : 1,
    locality: localityOf({ ...dataCenterInfo, ...metadata }),
    metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => !volatileMetadata.has(key))),
  });
}

/** Eureka's clients know only zones. AWS zones imply the region; for others the zone may have Istio's form. */
function localityOf(facts: Readonly<Record<string, string>>): string {
  const zone = facts.zone || facts["availability-zone"];
  if (!zone || zone.includes("/")) return zone || "";
  return `${facts.region ?? awsZone.exec(zone)?.[1] ?? ""}/${zone}`;
}
