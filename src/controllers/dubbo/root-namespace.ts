import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
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
 * Periodically compares --root-namespace with the mesh's root namespace (ConfigMap `istio`). In any other namespace
 * filters apply only to that namespace. If the ConfigMap is unreadable, nothing is reported.
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
    const found = await readMeshConfig(client, [rootNamespace, defaultRootNamespace], deps, signal);
    const mesh = found && meshRootNamespace(found);
    metrics.rootNamespaceMismatch(mesh !== undefined && mesh !== rootNamespace);
    if (found && mesh !== rootNamespace) {
      const message = `the mesh's root namespace is ${mesh}, but the EnvoyFilters are in ${rootNamespace} and apply only there; set --root-namespace=${mesh}`;
      deps.logger.warn("root namespace differs from the mesh's", { mesh, rootNamespace });
      events.record({
        object: { ...found, apiVersion: "v1", kind: "ConfigMap" },
        type: "Warning",
        reason: "RootNamespaceMismatch",
        message,
      });
    }
    await pause(deps.clock, intervalMs, signal);
  }
}

async function readMeshConfig(
  client: KubeClient,
  namespaces: readonly string[],
  deps: Deps,
  signal: AbortSignal,
): Promise<ConfigMap | undefined> {
  for (const namespace of new Set(namespaces)) {
    try {
      return await client.request<ConfigMap>({
        method: "GET",
        path: objectPath(resources.configMaps, { namespace, name: "istio" }),
        signal,
      });
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof KubeError)) throw error;
      deps.logger.debug("mesh configuration not readable", { namespace, error: error.message });
    }
  }
  return undefined;
}

function meshRootNamespace({ data }: ConfigMap): string {
  return /^rootNamespace:\s*["']?([-a-z0-9]+)/m.exec(data?.mesh ?? "")?.[1] ?? defaultRootNamespace;
}
