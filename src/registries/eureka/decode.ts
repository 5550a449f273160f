import { isIP } from "node:net";
import { distinctInstances, type Service, type ServiceInstance } from "../../model/service.ts";
import { badInstance, springInstance } from "../kinds/spring/instance.ts";
import type { Application, EurekaInstance } from "./wire.ts";

/** The class of an empty map, and the keys by which Spring Boot Admin's clients tell one start from the next. */
const volatileMetadata = new Set(["@class", "startup", "timestamp"]);
/** us-east-1 of us-east-1a. */
const awsZone = /^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$/;

/** An application with the instances that take calls; none if all are ill. */
export function decodeApplication({ name, instances, malformed }: Application): Service {
  const problems = malformed.map(({ address, detail }) => badInstance(name, address, detail));
  const found: ServiceInstance[] = [];
  for (const one of instances) {
    if (one.status !== "UP") continue;
    const address = addressOf(one);
    const port = one.port ?? one.securePort;
    if (port === undefined)
      problems.push(badInstance(name, address, "both its port and its secure port are disabled"));
    else found.push(instanceOf(one, address, port));
  }
  return {
    id: name,
    kind: "spring",
    name,
    instances: distinctInstances(found), // an instance that restarted under another id may be listed twice
    problems: problems.toSorted((a, b) => (`${a.at} ${a.detail}` < `${b.at} ${b.detail}` ? -1 : 1)),
  };
}

/**
 * The address, or the host name if there is no IP address. A host name may be a container's id, which nobody can
 * resolve.
 */
const addressOf = ({ ipAddr, hostName }: EurekaInstance): string =>
  isIP(ipAddr) === 0 ? hostName || ipAddr : ipAddr;

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
