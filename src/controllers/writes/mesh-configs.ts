import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { parseManifests } from "../../kube/manifests.ts";
import { objectPath, resources } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { Deps } from "../../runtime/deps.ts";
import { fieldsOf, textOf } from "../../translate/read-back/json.ts";
import { nameOnly } from "../../translate/read-back/kept.ts";
import { defaultRootNamespace } from "../../translate/read-back/mesh-config.ts";

interface ConfigMap extends KubeObject {
  readonly data?: unknown;
}

/** A MeshConfig, and the ConfigMap that has it. */
export interface MeshConfig {
  readonly object: KubeObject;
  readonly mesh: unknown;
}

/**
 * The mesh's configurations: ConfigMap `istio`, and `istio-<revision>` of each revision, of the first of `rootNamespace`
 * and istio-system that has any. What may not be read, and what is no YAML, is left out. undefined = the API server did not
 * say what there is.
 */
export async function readMeshConfigs(
  client: KubeClient,
  rootNamespace: string,
  deps: Pick<Deps, "logger">,
  signal: AbortSignal,
): Promise<readonly MeshConfig[] | undefined> {
  const readable = async <T>(
    namespace: string,
    read: () => Promise<readonly T[]>,
  ): Promise<readonly T[] | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof KubeError)) throw error;
      deps.logger.debug("mesh configuration not readable", { namespace, error: error.message });
      return error.status === 403 || error.status === 404 ? [] : undefined;
    }
  };
  for (const namespace of new Set([rootNamespace, defaultRootNamespace])) {
    const path = objectPath(resources.configMaps, { namespace, name: "istio" });
    const plain = await readable(namespace, async () => [
      await client.request<ConfigMap>({ method: "GET", path, signal }),
    ]);
    const revisions = await readable(namespace, () => readRevisions(client, namespace, signal));
    if (plain === undefined || revisions === undefined) return undefined;
    if (plain.length + revisions.length > 0)
      return [...plain, ...revisions].flatMap((one) => parsed(one, deps.logger));
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
    ({ metadata, data }) => metadata.name.startsWith("istio-") && fieldsOf(data).mesh !== undefined,
  );
}

/** A mesh that sets nothing has no text, or an empty one. Of several documents istiod reads the first. */
function parsed(object: ConfigMap, logger: Deps["logger"]): readonly MeshConfig[] {
  try {
    const [mesh = {}] = parseManifests(textOf(fieldsOf(object.data).mesh) ?? "");
    return [{ object: nameOnly(object), mesh }];
  } catch (error) {
    const { namespace, name } = object.metadata;
    logger.debug("mesh configuration is not YAML", { namespace, name, error: (error as Error).message });
    return [];
  }
}
