import { isIP } from "node:net";
import { factsOf, valueIn } from "../../model/facts.ts";
import { type Service, type ServiceInstance, unknownService } from "../../model/service.ts";
import type { JsonCursor } from "../../runtime/json-cursor.ts";
import type { Steps } from "../../runtime/slices.ts";
import { badInstance, keepIdentity, springInstance, springService } from "../kinds/spring/instance.ts";
import { type Application, type EurekaInstance, readApplications } from "./wire.ts";

/** The class of an empty map, and the keys by which Spring Boot Admin's clients tell one start from the next. */
const volatileMetadata = new Set(["@class", "startup", "timestamp"]);
/** us-east-1 of us-east-1a. */
const awsZone = /^([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]$/;

/** What a hub wants to know. */
export interface Interest {
  readonly wants: (name: string) => boolean;
  /** Those of the instances' facts. */
  readonly keys?: readonly string[];
  /** The names, in any case, of what the cluster has. */
  readonly known?: () => Iterable<string>;
}

/** The wanted services of a list, and whether it has entries without a name. */
export interface Listed {
  readonly services: ReadonlyMap<string, Service>;
  readonly hasNameless: boolean;
}

/**
 * Reads the answer of `/apps`; undefined = it is no list. A service that is as in `before` is the very same, and is so at
 * once, so that nobody holds a second copy of all. An entry without a name may be any service that the cluster has and the
 * answer does not list.
 */
export function* readServices(
  json: JsonCursor,
  { wants, keys = [], known = () => [] }: Interest,
  before: ReadonlyMap<string, Service>,
): Steps<Listed | undefined> {
  const services = new Map<string, Service>();
  const put = (service: Service): unknown =>
    services.set(service.id, keepIdentity(before.get(service.id), service));
  const nameless = yield* readApplications(json, (application) => {
    if (!wants(application.name)) return;
    const service = decodeApplication(application, keys);
    const listed = services.get(service.id);
    put(listed === undefined ? service : together(listed, service));
  });
  if (nameless === undefined) return undefined;
  if (nameless > 0) {
    const missing = [...known()].map((name) => name.toUpperCase()).filter((name) => !services.has(name));
    for (const name of missing)
      if (wants(name)) put(unknownService({ id: name, kind: "spring", name }, mayBe));
  }
  return { services, hasNameless: nameless > 0 };
}

const mayBe =
  "the server lists an application without a name, which may be this one, so the operator keeps what the cluster has; remove it";

/** An application with the instances that take calls; none if all are ill. */
function decodeApplication(
  { name, instances, malformed, isUnreadable }: Application,
  keys: readonly string[],
): Service {
  const problems = malformed.map(({ address, detail }) => badInstance(name, address, detail));
  const found: ServiceInstance[] = [];
  for (const one of instances) {
    if (one.status !== "UP") continue;
    const address = addressOf(one);
    const port = one.port ?? one.securePort;
    if (port === undefined)
      problems.push(badInstance(name, address, "both its port and its secure port are disabled"));
    else found.push({ ...instanceOf(one, address, port), ...factsOf(keys, valueIn(one.metadata)) });
  }
  // An instance that restarted under another id may be listed twice.
  const service = springService({ id: name, name }, found, problems);
  if (!isUnreadable) return service;
  const why = `the server's list of ${name} has no form that Eureka uses, so the operator keeps what the cluster has`;
  const { problems: unread } = unknownService(service, why);
  return { ...service, isPartial: true, problems: [...service.problems, ...unread] };
}

/** An application that is listed twice, with the instances of both. */
function together(one: Service, other: Service): Service {
  const instances = [one, other].flatMap(({ instances }) => (instances === "unknown" ? [] : instances));
  const both = springService(one, instances, [...one.problems, ...other.problems]);
  return one.isPartial || other.isPartial ? { ...both, isPartial: true } : both;
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
