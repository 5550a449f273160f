import { isIP } from "node:net";
import type { Problem } from "../../model/problems.ts";
import { distinctInstances, type Service, type ServiceInstance } from "../../model/service.ts";
import type { Application, EurekaInstance } from "./applications.ts";

/** The class of an empty map, and what Spring Boot Admin's clients put there to tell one start from the next. */
const volatileMetadata = new Set(["@class", "startup", "timestamp"]);
/** us-east-1 of us-east-1a. */
const awsZone = /^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$/;

/** An application with those of its instances that take calls: none, if all are ill. */
export function decodeApplication({ name, instances, malformed }: Application): Service {
  const problems = malformed.map(({ address, detail }) => rejected(name, address, detail));
  const found: ServiceInstance[] = [];
  for (const one of instances) {
    if (one.status !== "UP") continue;
    const address = addressOf(one);
    const port = one.port ?? one.securePort;
    if (port === undefined)
      problems.push(rejected(name, address, "both its port and its secure port are disabled"));
    else found.push(instanceOf(one, address, port));
  }
  return {
    id: name,
    kind: "spring",
    name,
    instances: distinctInstances(found), // one that was started anew under another id may be there twice
    problems: problems.toSorted((a, b) => (`${a.at} ${a.detail}` < `${b.at} ${b.detail}` ? -1 : 1)),
  };
}

function rejected(name: string, address: string, detail: string): Problem {
  return { at: `${name} ${address}`, code: "BadInstance", detail, severity: "rejected" };
}

/** A host name may be a container's id, which nobody can resolve: so the address, unless it is none. */
const addressOf = ({ ipAddr, hostName }: EurekaInstance): string =>
  isIP(ipAddr) === 0 ? hostName || ipAddr : ipAddr;

function instanceOf(
  { metadata, dataCenterInfo }: EurekaInstance,
  address: string,
  port: number,
): ServiceInstance {
  const weight = Number(metadata.weight);
  const locality = localityOf({ ...dataCenterInfo, ...metadata });
  return {
    address,
    port,
    protocol: "tcp",
    version: "",
    group: "",
    ...(weight > 0 && Number.isFinite(weight) && weight !== 1 && { weight }),
    ...(locality !== undefined && { locality }),
    metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => !volatileMetadata.has(key))),
  };
}

/** Eureka's clients know zones; of AWS' the region is known too, others can be written as Istio has them. */
function localityOf(facts: Readonly<Record<string, string>>): string | undefined {
  const zone = facts.zone || facts["availability-zone"];
  if (!zone || zone.includes("/")) return zone || undefined;
  return `${facts.region ?? awsZone.exec(zone)?.[1] ?? ""}/${zone}`;
}
