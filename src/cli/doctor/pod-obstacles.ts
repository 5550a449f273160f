import type { ConsumerPod } from "../../translate/read-back/consumer-pod.ts";
import { objectLabels } from "../../translate/read-back/json.ts";
import { entryVisibility } from "../../translate/read-back/mesh-config.ts";
import { counted } from "../output.ts";
import { caution, type Finding, fault, named } from "./finding.ts";
import { isExportedTo, type OwnHost } from "./hosts.ts";
import { passesBy } from "./outbound.ts";
import { captureOf } from "./pod-facts.ts";
import { missesVip, sees, sidecarFor } from "./scope.ts";
import type { Sight } from "./sight.ts";

/** What keeps a consumer from some hosts. */
export interface Obstacle {
  readonly finding: Finding;
  readonly hosts: readonly OwnHost[];
}

/** Everything that keeps it from hosts, or may. */
export function obstaclesFor(
  pod: ConsumerPod,
  sight: Sight,
  hosts: readonly OwnHost[],
  ambient: boolean,
): readonly Obstacle[] {
  const ofSidecar = ambient
    ? []
    : [
        ...outboundObstacles(pod, sight, hosts),
        ...scopeObstacles(pod, sight, hosts),
        ...exportObstacles(pod, hosts),
      ];
  return [...ofSidecar, ...visibilityObstacles(pod, sight, hosts, ambient)];
}

/** Why a pod has no sidecar. Sources: the manual's FAQ 4.1; istio pkg/kube/inject. */
export function noSidecar(pod: ConsumerPod, { namespaces }: Sight): Finding {
  const found = (cause: string, fix: string): Finding =>
    fault(`Pod ${pod.namespace}/${pod.name} has no sidecar`, cause, fix, "4.1");
  if (pod.isOnHostNetwork)
    return found(
      "it is on its node's network (hostNetwork: true), where none is injected",
      "Take hostNetwork out of its template.",
    );
  if (pod.inject === "false")
    return found('it says sidecar.istio.io/inject: "false"', "Take that out of its template.");
  const namespace = namespaces?.get(pod.namespace);
  const labels = namespace === undefined ? {} : objectLabels(namespace);
  const isAsked = labels["istio-injection"] === "enabled" || labels["istio.io/rev"] !== undefined;
  if (isAsked || pod.inject === "true")
    return found(
      "it is older than the label that asks for one, or istiod's webhook did not take it (in the manual's product: pods of Jobs)",
      "Start it again; if it has none then, read the log of istiod.",
    );
  const also =
    namespace === undefined ? "" : `, and neither does namespace ${pod.namespace} (istio-injection)`;
  return found(
    `its labels do not ask for one (sidecar.istio.io/inject)${also}`,
    `kubectl label namespace ${pod.namespace} istio-injection=enabled, or label its template sidecar.istio.io/inject: "true", and start it again.`,
  );
}

/** It has a sidecar, which knows the names, and nobody asks it. */
export function noDns({ namespace, name }: ConsumerPod): Finding {
  return fault(
    `Pod ${namespace}/${name} cannot resolve the hosts of hubs`,
    'ISTIO_META_DNS_CAPTURE is not "true" in its sidecar',
    `Annotate its template with proxy.istio.io/config: '{"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}', or say it in meshConfig.defaultConfig, and start it again.`,
  );
}

function outboundObstacles(pod: ConsumerPod, sight: Sight, hosts: readonly OwnHost[]): readonly Obstacle[] {
  const capture = captureOf(pod, sight);
  const passing = hosts.flatMap((host) => {
    const why = passesBy(capture, host.entry.vip, host.port);
    return why === undefined ? [] : [{ host, why }];
  });
  return [...Map.groupBy(passing, ({ why }) => why)].map(([why, group]) => ({
    hosts: group.map(({ host }) => host),
    finding: fault(
      `calls of Pod ${pod.namespace}/${pod.name} to ${counted(group.length, "host")} pass its sidecar by, and end nowhere`,
      `${why} (annotation traffic.sidecar.istio.io/… of the pod, or global.proxy of the injector)`,
      `Have it take in ${sight.settings.vipCidr} and the ports of the hosts, and start the pod again.`,
    ),
  }));
}

function scopeObstacles(
  pod: ConsumerPod,
  { sidecars = [], settings }: Sight,
  hosts: readonly OwnHost[],
): readonly Obstacle[] {
  const { namespace: from } = pod;
  const sidecar = sidecarFor(sidecars, from, pod.labels, settings.rootNamespace);
  if (sidecar === undefined) return [];
  const hidden = hosts.filter((host) => isExportedTo(host, from) && !sees(sidecar, from, host));
  const missed = hosts.flatMap((host) => {
    const why = missesVip(sidecar, from, host, host.entry.shape.protocol === "dubbo");
    return why === undefined ? [] : [{ host, why }];
  });
  const places = named(hidden.map(({ namespace }) => `${namespace}/*`));
  return [
    ...obstacle(hidden, (count) =>
      forAllOrSome(hidden, hosts)(
        `the proxy of Pod ${from}/${pod.name} does not see ${count}`,
        `Sidecar ${sidecar.key} restricts egress, and lacks ${places}`,
        sidecar.namespace === from
          ? `Add ${places} to egress.hosts: kubectl edit sidecar -n ${sidecar.key.replace("/", " ")}`
          : `Create a Sidecar in namespace ${from}, with ${places} in egress.hosts besides what that one has.`,
        "4.3",
      ),
    ),
    ...obstacle(
      missed.map(({ host }) => host),
      (count) =>
        fault(
          `calls of Pod ${from}/${pod.name} to ${count} miss their virtual IP in the proxy`,
          `Sidecar ${sidecar.key} has egress by which it would ${missed[0]?.why ?? ""}`,
          `Take that out of it, or add an egress without: kubectl edit sidecar -n ${sidecar.key.replace("/", " ")}`,
        ),
    ),
  ];
}

function exportObstacles({ namespace, name }: ConsumerPod, hosts: readonly OwnHost[]): readonly Obstacle[] {
  const others = hosts.filter((host) => !isExportedTo(host, namespace));
  const hubs = named(others.flatMap(({ entry }) => [...entry.hubs.values()]));
  return obstacle(others, (count) =>
    forAllOrSome(others, hosts)(
      `${count} are not for Pod ${namespace}/${name}`,
      `spec.exportTo of RegistryHub ${hubs} lacks ${namespace}`,
      `Add ${namespace} to it.`,
    ),
  );
}

function visibilityObstacles(
  pod: ConsumerPod,
  { meshes = [], namespaces }: Sight,
  hosts: readonly OwnHost[],
  ambient: boolean,
): readonly Obstacle[] {
  const isHidden = ({ namespace }: OwnHost): boolean => {
    const target = namespaces?.get(namespace);
    if (target === undefined) return false;
    return meshes.some(({ mesh }) => {
      const { visibility, appliesToSidecars } = entryVisibility(mesh, objectLabels(target));
      const isFor = visibility === "PUBLIC" || (visibility === "NAMESPACE" && namespace === pod.namespace);
      return !isFor && (ambient || appliesToSidecars);
    });
  };
  const hidden = hosts.filter(isHidden);
  return obstacle(hidden, (count) =>
    fault(
      `the mesh hides ${count} from Pod ${pod.namespace}/${pod.name}`,
      `meshConfig.serviceEntryVisibility hides those of ${named(hidden.map(({ namespace }) => namespace))}`,
      "Have the mesh's administrator add a policy with visibility PUBLIC that selects the namespace.",
    ),
  );
}

/** To see a part is what one asks of a Sidecar and of exportTo; to see nothing is hardly. */
const forAllOrSome = (some: readonly OwnHost[], all: readonly OwnHost[]): typeof fault =>
  some.length === all.length ? fault : caution;

const obstacle = (hosts: readonly OwnHost[], told: (count: string) => Finding): readonly Obstacle[] =>
  hosts.length === 0 ? [] : [{ hosts, finding: told(`${counted(hosts.length, "host")} of hubs`) }];
