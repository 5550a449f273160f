import type { ConsumerPod } from "../../translate/read-back/consumer-pod.ts";
import type { KnownHub } from "../explain/asked.ts";
import { type Findings, fault, named } from "./finding.ts";
import type { ServiceFacts, Sight } from "./sight.ts";

/** A registry that runs in the cluster, behind a Service that a hub's address names. */
interface Place {
  readonly hub: KnownHub;
  readonly service: ServiceFacts;
}

/**
 * Registries whose pods have a sidecar: peers and clients want one certain server, and a proxy may pick any. A headless Service
 * alone is no fault: that proxies went on sending to a pod that was gone ended with Istio 1.6.
 */
export function registryFindings({ hubs, services, pods }: Sight): Findings {
  if (services === undefined || pods === undefined) return undefined;
  const places = new Map(
    hubs.flatMap((hub) => placesOf(hub, services).map((place) => [place.service, place] as const)),
  );
  return [...places.values()].flatMap(({ hub, service }) => {
    const injected = pods.filter((pod) => pod.sidecar && selects(service, pod));
    if (injected.length === 0) return [];
    const isHeadless = service.clusterIPs.includes("None");
    const names = named(injected.map((pod) => `${pod.namespace}/${pod.name}`));
    return [
      fault(
        `the ${hub.report.type} of RegistryHub ${hub.key} runs behind sidecars, which may send its peers and clients to any server`,
        `pods ${names} of ${isHeadless ? "the headless " : ""}Service ${service.namespace}/${service.name} have one`,
        'Label the template of the registry\'s pods sidecar.istio.io/inject: "false", and start them again.',
        isHeadless ? "4.7" : undefined,
      ),
    ];
  });
}

/** The Services that the servers of a hub's address are: `name`, `name.namespace`, and longer. */
function placesOf(hub: KnownHub, services: readonly ServiceFacts[]): readonly Place[] {
  const servers = hub.report.address.split(",").map((one) => hostIn(one.trim()));
  const found = servers.flatMap((server) => {
    const words = server.split(".");
    const places = [words, words.slice(1)]; // a pod of a StatefulSet has a name below that of its Service
    return services.filter((one) =>
      places.some(
        ([name, namespace = hub.report.namespace]) => one.name === name && one.namespace === namespace,
      ),
    );
  });
  return [...new Set(found)].map((service) => ({ hub, service }));
}

/** The host of a URL, of `host:port`, or of `host:port/path`. */
const hostIn = (server: string): string =>
  (server.replace(/^[a-z]+:\/\//, "").split(/[:/]/)[0] ?? "").toLowerCase();

const selects = ({ namespace, selector }: ServiceFacts, pod: ConsumerPod): boolean =>
  pod.namespace === namespace &&
  Object.keys(selector).length > 0 &&
  Object.entries(selector).every(([key, value]) => pod.labels[key] === value);
