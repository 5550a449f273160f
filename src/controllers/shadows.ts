import type { Reflector } from "../kube/reflector.ts";
import type { KubeObject, ObjectKey } from "../kube/resources.ts";
import type { HostKey } from "../model/entry.ts";
import type { HubStatus } from "../model/hub.ts";
import { splitKey } from "../model/keys.ts";
import type { Problem } from "../model/problems.ts";

/** The cluster's Services as far as they are known: nothing waits for them. */
export type Services = Pick<Reflector<KubeObject>, "objects" | "status">;

const forbidden = 403;

/**
 * The host that answers in the mesh as the Service `key` does in its cluster. Source: Kubernetes' DNS for Services and Pods;
 * resolvers complete `<name>.<namespace>` by their search domains.
 */
export function hostOfService(key: ObjectKey): HostKey {
  const [namespace] = splitKey(key);
  return `${key}.${namespace}`;
}

/**
 * A warning for each of the hosts to which a Service answers as well. While the Services have not been listed yet it is what
 * the status says, so that a restart changes nothing; where they may not be listed there are none.
 */
export function shadowsOf(
  hosts: Iterable<HostKey>,
  { objects, status }: Services,
  previous: Pick<HubStatus, "problems"> | undefined,
): readonly Problem[] {
  if (status.state !== "synced" && status.error?.status === forbidden) return [];
  if (status.state === "pending")
    return (previous?.problems ?? [])
      .filter(({ problem }) => problem.startsWith("ShadowsService: "))
      .map(({ at }) => shadow(at));
  const shadows: Problem[] = [];
  for (const key of hosts) {
    const [namespace, host] = splitKey(key);
    if (objects.has(key.slice(0, -(namespace.length + 1)))) shadows.push(shadow(host));
  }
  return shadows;
}

/** `host` has two labels. */
function shadow(host: string): Problem {
  const [name, namespace] = host.split(".");
  const detail = `Service ${namespace}/${name} has the same name in the mesh, so callers reach one of the two at random; rename the Service, or use another spec.generate_to`;
  return { at: host, code: "ShadowsService", detail, severity: "warning" };
}
