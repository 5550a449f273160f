import { type Cluster, type ClusterCopy, copyOf } from "../../src/cli/cluster-copy.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { isObject, keyOf, listMapKeys } from "../../src/kube/covered.ts";
import { objectKey } from "../../src/kube/resources.ts";
import type { FieldSet, KubeObject } from "../../src/model/kubernetes.ts";
import type { Deps } from "../../src/runtime/deps.ts";

/**
 * A copy to work on, and the cluster that comes of it. In that one every object says which fields were applied, as the API
 * server's do: what a later step does not apply any more has to go.
 */
export function workingCopy(cluster: Cluster, deps: Deps): { readonly copy: ClusterCopy; result(): Cluster } {
  const owned = new Map<string, KubeObject["metadata"]["managedFields"]>();
  const copy = copyOf(cluster, deps);
  const { client } = copy.tools;
  const request: KubeClient["request"] = (asked) => {
    if (asked.method === "PATCH") {
      const [applied, manager = ""] = [asked.body as KubeObject, asked.query?.fieldManager];
      owned.set(idOf(applied), [{ manager, operation: "Apply", fieldsV1: fieldsOf(applied) }]);
    }
    return client.request(asked);
  };
  const noted = <T extends KubeObject>(object: T): T => {
    const managedFields = owned.get(idOf(object));
    return managedFields ? { ...object, metadata: { ...object.metadata, managedFields } } : object;
  };
  return {
    copy: { ...copy, tools: { ...copy.tools, client: { ...client, request } } },
    result: () => ({
      hubs: [],
      serviceEntries: [...copy.serviceEntries.objects.values()].map(noted),
      envoyFilters: [...copy.envoyFilters.objects.values()].map(noted),
    }),
  };
}

const idOf = (object: KubeObject): string => `${object.kind} ${objectKey(object)}`;

function fieldsOf(applied: unknown, path = ""): FieldSet {
  const key = listMapKeys[path];
  if (key !== undefined && Array.isArray(applied))
    return Object.fromEntries(applied.map((one) => [`k:${JSON.stringify({ [key]: keyOf(one, key) })}`, {}]));
  if (!isObject(applied)) return {};
  const at = (field: string): string => (path === "" ? field : `${path}.${field}`);
  return Object.fromEntries(
    Object.entries(applied).map(([field, value]) => [`f:${field}`, fieldsOf(value, at(field))]),
  );
}
