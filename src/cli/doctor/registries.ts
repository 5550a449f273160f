import type { ConsumerPod } from "../../translate/read-back/consumer-pod.ts";
import type { KnownHub } from "../explain/hubs.ts";
import { type Findings, fault, named } from "./finding.ts";
import type { ServiceFacts, Sight } from "./sight.ts";

/** A registry that runs in the cluster, behind a Service that a hub's address names. */
interface Place {
  readonly hub: KnownHub;
  readonly service: ServiceFacts;
}

/** Registries that suffer from the mesh: their peers and clients want one certain server, and a proxy picks any. */
export function registryFindings({ hubs, services, pods }: Sight): Findings {
  if (services === undefined) return undefined;
  const places = new Map(
    hubs.flatMap((hub) => placesOf(hub, services).map((place) => [place.service, place] as const)),
  );
  return [...places.values()].flatMap(({ hub, service }) => {
    const { namespace, name } = service;
    const injected = pods?.filter((pod) => pod.sidecar && selects(service, pod)) ?? [];
    const isEureka = hub.report.type === "eureka";
    const of = `the ${hub.report.type} of RegistryHub ${hub.key}`;
    return [
      ...(injected.length === 0
        ? []
        : [
            fault(
              `${of} runs behind sidecars, which may balance its peers and clients at random`,
              `pods ${named(injected.map((pod) => `${pod.namespace}/${pod.name}`))} of Service ${namespace}/${name} have one`,
              'Label the template of the registry\'s pods sidecar.istio.io/inject: "false".',
            ),
          ]),
      ...(isEureka && service.clusterIPs.includes("None")
        ? [
            fault(
              `${of} is behind a headless Service, so heartbeats of clients with a sidecar may go to pods that are gone`,
              `Service ${namespace}/${name} has clusterIP: None, and proxies send to the address that a client once resolved`,
              "Give Eureka's clients, and the hub, a Service with a clusterIP.",
              "4.7",
            ),
          ]
        : []),
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
