import { isIPv6 } from "node:net";
import { factsOf } from "../../../model/facts.ts";
import { dubboParameters } from "../../../model/labels.ts";
import type { Problem } from "../../../model/problems.ts";
import type { Protocol, ServiceInstance } from "../../../model/service.ts";
import type { ProviderUrl } from "./provider-url.ts";

/** URLs that configure consumers and announce no provider. Source: apache/dubbo, RegistryConstants, ConfigConstants. */
const controlSchemes = new Set([
  "absent",
  "condition",
  "configurator",
  "consumer",
  "empty",
  "override",
  "route",
  "script",
  "tag",
]);

const protocols: Readonly<Record<string, Protocol>> = {
  dubbo: "dubbo",
  tri: "grpc",
  grpc: "grpc",
  rest: "http",
  http: "http",
};

/** Dubbo's own services. Consumers ask the provider itself for them, so nobody else needs them. */
const dubbosOwn = new Set([
  "org.apache.dubbo.metadata.MetadataService",
  "org.apache.dubbo.metadata.MetadataServiceV2",
]);

/** Whether an interface is one of Dubbo's own services and not an application's. */
export const isDubbosOwn = (name: string): boolean => dubbosOwn.has(name);

/** How much of a registered value a problem quotes, because anybody may register a megabyte. */
const maxShown = 100;

/** What providers have that say nothing of it. Source: apache/dubbo, Constants.DEFAULT_WEIGHT. */
const usualWeight = 100;

/** The result for one provider URL: an instance or none, and a problem for its owner. */
export interface Provider {
  readonly instance?: ServiceInstance;
  readonly problem?: Problem;
}

/**
 * Decides whether a provider counts, and how to call it. A provider that does not want traffic (disabled, drained, a
 * control URL) is left out silently; one that nobody can call is rejected. Address and port range are not checked
 * here. `name` is the interface under which the registry lists it, because a `simplified` URL does not name one; `keys` are
 * those of the instance's facts.
 * Source: apache/dubbo, UrlUtils.isMatch (enabled, category); AbstractLoadBalance.getWeight (0 = no calls).
 */
export function readProvider(url: ProviderUrl, name: string, keys: readonly string[] = []): Provider {
  if (!takesTraffic(url)) return {};
  const [host, port, scheme] = [url.host, url.port, url.scheme].map((part) => part.slice(0, maxShown));
  const at = `${name} ${isIPv6(url.host) ? `[${host}]` : host}:${port}`;
  const protocol = Object.hasOwn(protocols, url.scheme) ? protocols[url.scheme] : undefined;
  if (protocol === undefined) {
    const detail = `protocol ${scheme} is not one of ${Object.keys(protocols).join(", ")}`;
    return { problem: { at, code: "UnsupportedProtocol", detail, severity: "rejected" } };
  }
  if (!/^-?\d+$/.test(url.port)) {
    const detail = url.port === "" ? "the URL has no port" : `port "${port}" is not a number`;
    return { problem: { at, code: "BadPort", detail, severity: "rejected" } };
  }
  return { instance: instanceOf(url, name, protocol, keys), ...tokenWarning(url, name) };
}

function takesTraffic({ scheme, parameters }: ProviderUrl): boolean {
  return (
    !controlSchemes.has(scheme) &&
    parameters.get("disabled") !== "true" &&
    parameters.get("enabled") !== "false" &&
    (parameters.get("side") || "provider") === "provider" &&
    (parameters.get("category") || "providers") === "providers" &&
    weightOf(parameters) > 0
  );
}

/**
 * The share of the calls, 1 = as usual; 0 or less = none. What is no number is as usual, and so is the `weight=0` that
 * dubbo-go writes when nobody has set one (measured on 3.3.1).
 */
function weightOf(parameters: ProviderUrl["parameters"]): number {
  const text = parameters.get("weight")?.trim();
  const weight = text ? Number(text) : usualWeight;
  const isUnset = weight === 0 && isOfDubboGo(parameters);
  return Number.isFinite(weight) && !isUnset ? weight / usualWeight : 1;
}

/** Whether dubbo-go has written these. */
export function isOfDubboGo(parameters: ProviderUrl["parameters"]): boolean {
  return parameters.get("release")?.startsWith("dubbo-golang") ?? false;
}

function instanceOf(
  { host, port, parameters }: ProviderUrl,
  name: string,
  protocol: Protocol,
  keys: readonly string[],
): ServiceInstance {
  const version = parameters.get("version") ?? "";
  const weight = weightOf(parameters);
  const stable = dubboParameters.map((key) => [key, parameterOf(parameters, key) ?? ""] as const);
  return {
    address: host,
    port: Number(port),
    protocol,
    version: version === "0.0.0" ? "" : version,
    group: parameters.get("group") ?? "",
    ...(weight !== 1 && { weight }),
    metadata: { interface: name, ...Object.fromEntries(stable.filter(([, value]) => value !== "")) },
    ...factsOf(keys, (key) => parameterOf(parameters, key)),
  };
}

/** The provider with these facts, which win over its own. */
export function withFacts(provider: Provider, facts: ServiceInstance["facts"]): Provider {
  const { instance } = provider;
  if (instance === undefined || facts === undefined) return provider;
  return { ...provider, instance: { ...instance, facts: { ...instance.facts, ...facts } } };
}

/** The provider with so many times its weight, where its registry has one of its own. */
export function weighted(provider: Provider, factor: number): Provider {
  const { instance } = provider;
  if (instance === undefined || factor === 1) return provider;
  return { ...provider, instance: { ...instance, weight: (instance.weight ?? 1) * factor } };
}

/** Dubbo's own name of a provider's tag is `dubbo.tag`. Source: apache/dubbo, CommonConstants.TAG_KEY. */
function parameterOf(parameters: ProviderUrl["parameters"], key: string): string | undefined {
  return (key === "tag" && parameters.get("dubbo.tag")) || parameters.get(key);
}

/** The same problem for all providers of an interface, because one per provider would drown every other problem. */
function tokenWarning({ parameters }: ProviderUrl, name: string): Pick<Provider, "problem"> {
  if (!parameters.get("token")) return {};
  const detail =
    "providers demand a token, which the operator never copies; consumers must send it themselves";
  return { problem: { at: name, code: "TokenRequired", detail, severity: "warning" } };
}
