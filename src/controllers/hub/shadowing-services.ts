import type { Reflector } from "../../kube/reflector.ts";
import type { ObjectKey } from "../../kube/resources.ts";
import type { HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";

/** The cluster's Services as far as they are known; nothing waits for them. */
export type Services = Pick<Reflector<KubeObject>, "objects" | "status">;

const forbidden = 403;

/**
 * The mesh host that has the same name as the Service `key`. Source: Kubernetes' DNS for Services and Pods; resolvers
 * complete `<name>.<namespace>` by their search domains.
 */
export function hostOfService(key: ObjectKey): HostKey {
  const [namespace] = splitKey(key);
  return `${key}.${namespace}`;
}

/**
 * A warning for each host that has the same name as a Service. Until the Services have been listed, the warnings of
 * the previous status stay, so that a restart changes nothing. Without the right to list Services there are no
 * warnings.
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
