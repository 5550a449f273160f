import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { list } from "../../kube/list.ts";
import { objectPath, resources } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { DubboMetrics } from "../../runtime/metrics.ts";

const intervalMs = 600_000;
/** Istio's default, if the mesh configuration does not set it. Source: istio.io/api mesh/v1alpha1 MeshConfig. */
const defaultRootNamespace = "istio-system";

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * Periodically compares --root-namespace with the mesh's root namespace (ConfigMap `istio`, and `istio-<revision>` of each
 * revision). In any other namespace filters apply only to that namespace. If no ConfigMap is readable, nothing is reported.
 */
export async function watchRootNamespace(
  client: KubeClient,
  rootNamespace: string,
  events: EventRecorder,
  metrics: DubboMetrics,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const configs = await readMeshConfigs(client, [rootNamespace, defaultRootNamespace], deps, signal);
    const other = configs.find((config) => meshRootNamespace(config) !== rootNamespace);
    metrics.rootNamespaceMismatch(other !== undefined);
    if (other !== undefined) {
      const mesh = meshRootNamespace(other);
      const message = `the mesh's root namespace is ${mesh}, but the EnvoyFilters are in ${rootNamespace} and apply only there; set --root-namespace=${mesh}`;
      deps.logger.warn("root namespace differs from the mesh's", { mesh, rootNamespace });
      events.record({
        object: { ...other, apiVersion: "v1", kind: "ConfigMap" },
        type: "Warning",
        reason: "RootNamespaceMismatch",
        message,
      });
    }
    await pause(deps.clock, intervalMs, signal);
  }
}

/** Those of the first namespace that has any. */
async function readMeshConfigs(
  client: KubeClient,
  namespaces: readonly string[],
  deps: Deps,
  signal: AbortSignal,
): Promise<readonly ConfigMap[]> {
  const readable = async (
    namespace: string,
    read: () => Promise<readonly ConfigMap[]>,
  ): Promise<readonly ConfigMap[]> => {
    try {
      return await read();
    } catch (error) {
      if (signal.aborted) return [];
      if (!(error instanceof KubeError)) throw error;
      deps.logger.debug("mesh configuration not readable", { namespace, error: error.message });
      return [];
    }
  };
  for (const namespace of new Set(namespaces)) {
    const path = objectPath(resources.configMaps, { namespace, name: "istio" });
    const plain = await readable(namespace, async () => [
      await client.request<ConfigMap>({ method: "GET", path, signal }),
    ]);
    const revisions = await readable(namespace, () => readRevisions(client, namespace, signal));
    if (plain.length + revisions.length > 0) return [...plain, ...revisions];
  }
  return [];
}

/** Istio labels all its ConfigMaps like this. Source: istio manifests/charts/istio-control/istio-discovery. */
async function readRevisions(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly ConfigMap[]> {
  const { objects } = await list<ConfigMap>(client, resources.configMaps, {
    selection: { namespace, labelSelector: "istio.io/rev" },
    pageSize: 100,
    transform: (object) => object,
    signal,
  });
  return objects.filter(
    ({ metadata, data }) => metadata.name.startsWith("istio-") && data?.mesh !== undefined,
  );
}

function meshRootNamespace({ data }: ConfigMap): string {
  return /^rootNamespace:\s*["']?([-a-z0-9]+)/m.exec(data?.mesh ?? "")?.[1] ?? defaultRootNamespace;
}
