import type { Problem } from "../../model/problems.ts";
import {
  distinctInstances,
  type Service,
  type ServiceInstance,
  unknownService,
} from "../../model/service.ts";
import { type ApplicationInstance, readApplicationInstance } from "../dubbo/application-instance.ts";
import { type Provider, readProvider } from "../dubbo/provider.ts";
import type { ProviderUrl } from "../dubbo/provider-url.ts";
import { addressKey, withoutBrackets } from "../dubbo/registered-addresses.ts";
import type { Host, ServiceInfo } from "./service-info.ts";
import { idOf, type ServiceKey, type ServiceName } from "./service-name.ts";

/** Facts that change when the same instance restarts, and what is meant for Nacos and Dubbo alone. */
const volatileMetadata = /^(preserved\.(heart\.beat|ip\.delete)|dubbo\.|timestamp$)/;

/** The providers of an interface that the hosts of one of its services are, those included that nobody can call. */
export function decodeProviders(
  { name, version, group }: ServiceName & { kind: "dubbo" },
  { hosts }: ServiceInfo,
): readonly Provider[] {
  const named = Object.entries({ version, group }).filter(([, value]) => value !== "");
  return hosts.filter(takesTraffic).map((host) => readProvider(urlOf(host, named), name));
}

/** Where these hosts are, as `addressKey` spells it. */
export function decodeAddresses({ hosts }: ServiceInfo): readonly string[] {
  return hosts.map(({ ip, port }) => addressKey(withoutBrackets(ip), port));
}

/** Those of the hosts that are processes of a Dubbo 3 application. */
export function decodeApplication(name: string, { hosts }: ServiceInfo): readonly ApplicationInstance[] {
  return hosts
    .filter(takesTraffic)
    .flatMap(
      ({ ip, port, metadata }) =>
        readApplicationInstance(name, ip, port, new Map(Object.entries(metadata))) ?? [],
    );
}

/** A service that is not Dubbo's. */
export function decodeSpring(key: ServiceKey, info: ServiceInfo): Service {
  const hosts = info.hosts.filter((host) => takesTraffic(host) && !isOfDubbo(host));
  const instances = hosts.map(springInstance);
  return {
    id: idOf(key),
    kind: "spring",
    name: key.name,
    scope: key.group,
    instances: distinctInstances(instances), // Nacos may have an address twice, in two clusters
    problems: problemsOf(key.name, info),
  };
}

/** What is wrong with a service as Nacos has it, whatever kind it is of. */
export function problemsOf(
  at: string,
  { malformed, hosts, reachProtectionThreshold }: ServiceInfo,
): readonly Problem[] {
  const rejected = malformed.map(({ address, detail }): Problem => {
    return { at: `${at} ${address}`, code: "BadInstance", detail, severity: "rejected" };
  });
  if (!reachProtectionThreshold || hosts.length === 0) return rejected;
  const detail =
    "too few of its instances are healthy, so Nacos shows all as healthy; look at them, and at the protect threshold";
  return [...rejected, { at, code: "Protected", detail, severity: "warning" }];
}

/** A service that exists and that the registry does not let us read. */
export function unreadable(key: ServiceKey, kind: Service["kind"], name: string): Service {
  const detail = `no right to read ${idOf(key)}: what the cluster has of it stays. Grant read to the hub's account`;
  return unknownService({ id: idOf(key), kind, name, scope: key.group }, detail);
}

/** Whether some of the hosts belong to something else than a Dubbo application; no hosts do. */
export function hasOthers({ hosts }: ServiceInfo): boolean {
  return hosts.length === 0 || hosts.some((host) => !isOfDubbo(host));
}

/** Whether all that Nacos' own consumers ask of an instance is true of it. */
const takesTraffic = ({ enabled, healthy, weight }: Host): boolean => enabled && healthy && weight > 0;

/** Whether it is a process of a Dubbo 3 application. */
export const isOfDubbo = ({ metadata }: Host): boolean => Boolean(metadata["dubbo.metadata.revision"]);

/**
 * The URL that a provider would have registered elsewhere; `named` = what its service's name says, in case it says nothing
 * itself. Source: apache/dubbo, NacosRegistry.createInstance.
 */
function urlOf({ ip, port, metadata }: Host, named: readonly (readonly [string, string])[]): ProviderUrl {
  const parameters = new Map([...named, ...Object.entries(metadata)]);
  return { scheme: metadata.protocol ?? "dubbo", host: withoutBrackets(ip), port: String(port), parameters };
}

function springInstance({ ip, port, weight, metadata }: Host): ServiceInstance {
  const stable = Object.entries(metadata).filter(([key]) => !volatileMetadata.test(key));
  return {
    address: withoutBrackets(ip),
    port,
    protocol: "tcp",
    version: "",
    group: "",
    ...(weight !== 1 && { weight }),
    metadata: Object.fromEntries(stable),
  };
}
