import type { KubeClient } from "../../kube/client.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { DubboMetrics } from "../../runtime/metrics.ts";
import { rootNamespaceOf } from "../../translate/read-back/mesh-config.ts";
import { readMeshConfigs } from "../writes/mesh-configs.ts";

const intervalMs = 600_000;

/**
 * Periodically compares --root-namespace with the mesh's root namespace. In any other namespace filters apply only to that
 * namespace. If the mesh's configuration is not readable, nothing is reported; if it could not be read now, nothing new.
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
    const configs = await readMeshConfigs(client, rootNamespace, deps, signal);
    const other = configs?.find(({ mesh }) => rootNamespaceOf(mesh) !== rootNamespace);
    if (configs !== undefined) metrics.rootNamespaceMismatch(other !== undefined);
    if (other !== undefined) {
      const mesh = rootNamespaceOf(other.mesh);
      const message = `the mesh's root namespace is ${mesh}, but the EnvoyFilters are in ${rootNamespace} and apply only there; set --root-namespace=${mesh}`;
      deps.logger.warn("root namespace differs from the mesh's", { mesh, rootNamespace });
      events.record({
        object: { ...other.object, apiVersion: "v1", kind: "ConfigMap" },
        type: "Warning",
        reason: "RootNamespaceMismatch",
        message,
      });
    }
    await pause(deps.clock, intervalMs, signal);
  }
}
