import { factsOf, valueIn } from "../../model/facts.ts";
import type { Problem } from "../../model/problems.ts";
import { type Service, type ServiceInstance, unknownService } from "../../model/service.ts";
import { type ApplicationInstance, readApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { type Provider, readProvider, weighted } from "../kinds/dubbo/provider.ts";
import type { ProviderUrl } from "../kinds/dubbo/provider-url.ts";
import { addressKey, withoutBrackets } from "../kinds/dubbo/registered-addresses.ts";
import { badInstance, springInstance, springService } from "../kinds/spring/instance.ts";
import { type Refusal, reasonOf } from "./requests.ts";
import { errorCodes } from "./response.ts";
import type { Host, ServiceInfo } from "./service-info.ts";
import { idOf, type ServiceKey, type ServiceName } from "./service-name.ts";

/** Keys that change when the same instance restarts, and keys that only Nacos and Dubbo use. */
const volatileMetadata = /^(preserved\.(heart\.beat|ip\.delete)|dubbo\.|timestamp$)/;

/** The providers of an interface among the hosts of one of its services, including those that nobody can call. */
export function decodeProviders(
  { name, version, group }: ServiceName & { kind: "dubbo" },
  { hosts }: ServiceInfo,
  keys: readonly string[] = [],
): readonly Provider[] {
  const named = Object.entries({ version, group }).filter(([, value]) => value !== "");
  return hosts
    .filter(takesTraffic)
    .map((host) => weighted(readProvider(urlOf(host, named), name, keys), host.weight));
}

/** The addresses of these hosts, as `addressKey` spells them. */
export function decodeAddresses({ hosts }: ServiceInfo): readonly string[] {
  return hosts.map(({ ip, port }) => addressKey(withoutBrackets(ip), port));
}

/** The hosts that are processes of a Dubbo 3 application. */
export function decodeApplication(
  name: string,
  { hosts }: ServiceInfo,
  keys: readonly string[] = [],
): readonly ApplicationInstance[] {
  return hosts
    .filter(takesTraffic)
    .flatMap(
      ({ ip, port, weight, metadata }) =>
        readApplicationInstance(name, ip, port, new Map(Object.entries(metadata)), weight, keys) ?? [],
    );
}

/** A service that is not Dubbo's. */
export function decodeSpring(key: ServiceKey, info: ServiceInfo, keys: readonly string[] = []): Service {
  const hosts = info.hosts.filter((host) => takesTraffic(host) && !isOfDubbo(host));
  const instances = hosts.map((host) => instanceOf(host, keys));
  const { name, group: registryGroup } = key;
  return springService({ id: idOf(key), name, registryGroup }, instances, problemsOf(name, info));
}

/** The problems of a service of any kind. */
export function problemsOf(
  at: string,
  { malformed, hosts, reachProtectionThreshold }: ServiceInfo,
): readonly Problem[] {
  const rejected = malformed.map(({ address, detail }) => badInstance(at, address, detail));
  if (!reachProtectionThreshold || hosts.length === 0) return rejected;
  const detail =
    "too few instances are healthy, so Nacos reports all of them as healthy; check the instances and the protect threshold";
  return [...rejected, { at, code: "Protected", detail, severity: "warning" }];
}

/** A service that exists, but that could not be read. */
export function unreadable(
  key: ServiceKey,
  kind: Service["kind"],
  name: string,
  { refused }: Refusal,
): Service {
  const kept = "so the operator keeps what the cluster has";
  const detail =
    refused === errorCodes.forbidden
      ? `the hub's account may not read ${idOf(key)}, ${kept}; grant the account read`
      : `${idOf(key)} could not be read, ${kept}: ${reasonOf(refused)}; see the server's log`;
  return unknownService({ id: idOf(key), kind, name, registryGroup: key.group }, detail);
}

/** Whether an instance meets the conditions of Nacos' own consumers. */
const takesTraffic = ({ enabled, healthy, weight }: Host): boolean => enabled && healthy && weight > 0;

/** Whether the host is a process of a Dubbo 3 application. */
export const isOfDubbo = ({ metadata }: Host): boolean => Boolean(metadata["dubbo.metadata.revision"]);

/**
 * The URL that the provider would have registered elsewhere; `named` = the parameters in its service's name, for
 * those that the host does not set. Source: apache/dubbo, NacosRegistry.createInstance.
 */
function urlOf({ ip, port, metadata }: Host, named: readonly (readonly [string, string])[]): ProviderUrl {
  const parameters = new Map([...named, ...Object.entries(metadata)]);
  return { scheme: metadata.protocol ?? "dubbo", host: withoutBrackets(ip), port: String(port), parameters };
}

function instanceOf({ ip, port, weight, metadata }: Host, keys: readonly string[]): ServiceInstance {
  const stable = Object.entries(metadata).filter(([key]) => !volatileMetadata.test(key));
  const address = withoutBrackets(ip);
  return {
    ...springInstance({ address, port, weight, locality: "", metadata: Object.fromEntries(stable) }),
    ...factsOf(keys, valueIn(metadata)),
  };
}
