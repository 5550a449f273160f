import { readMeshConfigs } from "../../controllers/writes/mesh-configs.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Resource, resources } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { createLogger } from "../../runtime/logger.ts";
import { consumerPodOf } from "../../translate/read-back/consumer-pod.ts";
import { fieldsOf, textFieldsOf, textOf, textsOf } from "../../translate/read-back/json.ts";
import { namespaceOnly } from "../../translate/read-back/kept.ts";
import { defaultRootNamespace } from "../../translate/read-back/mesh-config.ts";
import { peerPolicyOf } from "../../translate/read-back/mesh-pod.ts";
import { sidecarResourceOf } from "../../translate/read-back/sidecar-resource.ts";
import type { Access } from "../access.ts";
import type { KnownHub } from "../explain/asked.ts";
import { knownHubs } from "../explain/hubs.ts";
import { type Objects, readObjects } from "../explain/objects.ts";
import { listAll, listSeen, noneIfForbidden } from "../list-all.ts";
import { targetsIn } from "./hosts.ts";
import { allOutbound } from "./outbound.ts";
import { lookAtOperator } from "./read-operator.ts";
import type { Use } from "./rights.ts";
import type { InjectorFacts, Settings, Sight } from "./sight.ts";

/** What only people ask for; the operator has no right to it. */
const sidecarResources: Resource = {
  group: "networking.istio.io",
  version: "v1beta1",
  plural: "sidecars",
  kind: "Sidecar",
};
const nodeResources: Resource = { group: "", version: "v1", plural: "nodes", kind: "Node" };

interface RawObject extends KubeObject {
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly data?: unknown;
}

/** Looks at everything that a person may see. @throws KubeError, also where neither hubs nor ServiceEntries may be listed. */
export async function look(access: Access): Promise<Sight> {
  const { client, config, now, signal } = access;
  const { vipCidr, rootNamespace, leaderElectNamespace, dubboPorts } = config;
  const settings: Settings = { vipCidr, rootNamespace, leaderElectNamespace, dubboPorts };
  const objects = await readObjects(access);
  const hubs = knownHubs(objects);
  const istios = [...new Set([rootNamespace, defaultRootNamespace])];
  const [around, mesh, operator] = await Promise.all([
    lookAround(client, [access.namespace, ...istios, ...targetsIn({ hubs })]),
    lookAtMesh(client, rootNamespace, istios, signal),
    lookAtOperator(client, useOf(settings, hubs, objects), signal),
  ]);
  const unseen = new Set([objects, around, mesh].flatMap((one) => one.unseen));
  return { objects, hubs, ...around, ...mesh, ...operator, settings, now, unseen: [...unseen] };
}

function useOf(
  { rootNamespace, leaderElectNamespace }: Settings,
  hubs: readonly KnownHub[],
  { virtualServices }: Objects,
): Use {
  const withSecret = hubs.filter(({ hub }) => hub?.secretName !== undefined);
  return {
    rootNamespace,
    leaderElectNamespace,
    secretNamespaces: [...new Set(withSecret.map(({ report }) => report.namespace))].sort(),
    identity: hubs.some(({ hub }) => hub?.identity === "auto"),
    rules: virtualServices.length > 0,
  };
}

type Around = Pick<
  Sight,
  "namespaces" | "pods" | "services" | "nodes" | "sidecars" | "peerPolicies" | "unseen"
>;

/** @param places where to look for what may not be listed in all namespaces. */
async function lookAround(client: KubeClient, places: readonly string[]): Promise<Around> {
  const unseen: string[] = [];
  const seen = async <T>(
    resource: Resource,
    keep: (object: RawObject) => T,
    where = places,
  ): Promise<readonly T[] | undefined> => {
    const kept = new Map<RawObject, T>();
    const list = await listSeen<RawObject>(client, resource, where, {
      transform: (object) => {
        const small: RawObject = { metadata: { name: object.metadata.name } };
        kept.set(small, keep(object));
        return small;
      },
    });
    if (list.unseen !== undefined) unseen.push(list.unseen);
    return list.isNoneSeen ? undefined : list.objects.flatMap((one) => kept.get(one) ?? []);
  };
  const [namespaces, pods, services, nodes, sidecars, peerPolicies] = await Promise.all([
    seen(resources.namespaces, namespaceOnly, []),
    seen(resources.pods, consumerPodOf),
    seen(resources.services, serviceFactsOf),
    seen(nodeResources, nodeFactsOf, []),
    seen(sidecarResources, sidecarResourceOf),
    seen(resources.peerAuthentications, peerPolicyOf),
  ]);
  return {
    namespaces: namespaces && new Map(namespaces.map((one) => [one.metadata.name, one])),
    pods: pods?.filter(({ hasEnded }) => !hasEnded),
    services,
    nodes,
    sidecars,
    peerPolicies,
    unseen: unseen.sort(),
  };
}

async function lookAtMesh(
  client: KubeClient,
  rootNamespace: string,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<Pick<Sight, "meshes" | "injectors" | "unseen">> {
  const [found, injectors] = await Promise.all([
    readMeshConfigs(client, rootNamespace, { logger: createLogger("error") }, signal),
    injectorsIn(client, namespaces),
  ]);
  const meshes = found?.length === 0 ? undefined : found;
  const where = `in ${namespaces.join(" or ")}`;
  const unseen = [
    meshes ? "" : `the mesh's configuration: you may read no ConfigMap istio ${where}`,
    injectors
      ? ""
      : `the injector's configuration: you may list no ConfigMap istio-sidecar-injector ${where}`,
  ];
  return { meshes, injectors, unseen: unseen.filter((one) => one !== "") };
}

function serviceFactsOf({ metadata, spec }: RawObject) {
  const { clusterIP, clusterIPs, selector } = fieldsOf(spec);
  const ips = [textOf(clusterIP) ?? "", ...textsOf(clusterIPs)].filter((one) => one !== "");
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    clusterIPs: [...new Set(ips)],
    selector: textFieldsOf(selector),
  };
}

function nodeFactsOf({ metadata, spec }: RawObject) {
  const { podCIDR, podCIDRs } = fieldsOf(spec);
  return { name: metadata.name, podCIDRs: [textOf(podCIDR) ?? "", ...textsOf(podCIDRs)] };
}

/** Each revision has one. Its values are JSON. Source: istio manifests/charts/istio-control/istio-discovery. */
async function injectorsIn(
  client: KubeClient,
  namespaces: readonly string[],
): Promise<readonly InjectorFacts[] | undefined> {
  const lists = await Promise.all(
    namespaces.map((namespace) =>
      listAll<RawObject>(client, resources.configMaps, { namespace }).catch(noneIfForbidden),
    ),
  );
  const found = lists
    .flatMap((one) => one ?? [])
    .filter(({ metadata }) => metadata.name.startsWith("istio-sidecar-injector"));
  return found.length === 0 ? undefined : found.flatMap(injectorFactsOf);
}

function injectorFactsOf({ metadata, data }: RawObject): readonly InjectorFacts[] {
  try {
    const values: unknown = JSON.parse(textOf(fieldsOf(data).values) ?? "{}");
    const proxy = fieldsOf(fieldsOf(fieldsOf(values).global).proxy);
    const outbound = {
      includeRanges: textOf(proxy.includeIPRanges) ?? allOutbound.includeRanges,
      excludeRanges: textOf(proxy.excludeIPRanges) ?? "",
      includePorts: textOf(proxy.includeOutboundPorts) ?? "",
      excludePorts: textOf(proxy.excludeOutboundPorts) ?? "",
    };
    return [{ key: `${metadata.namespace ?? ""}/${metadata.name}`, outbound }];
  } catch {
    return []; // istiod cannot read it either
  }
}
