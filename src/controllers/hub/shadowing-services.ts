import type { Reflector } from "../../kube/reflector.ts";
import type { ObjectKey } from "../../kube/resources.ts";
import type { Claim, HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { rememberedWarnings } from "../../status/memory.ts";

/** The cluster's Services as far as they are known. Only a new entry in another namespace waits for their first list. */
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

/** Whether a Service answers to the host already; "pending" = the first answer about Services has not come. */
export function serviceAt(host: HostKey, { objects, status }: Services): "yes" | "no" | "pending" {
  if (status.state === "pending") return status.error === undefined ? "pending" : "no";
  if (status.state === "stale" && status.error.status === forbidden) return "no";
  return objects.has(serviceOfHost(host)) ? "yes" : "no";
}

/** Whether hubs list the host, and all of them are of other namespaces than the host. */
export function isOfOthers(host: HostKey, claims: Iterable<Claim>): boolean {
  const namespaces = [...claims].filter(({ listed }) => listed.length > 0).map(({ key }) => splitKey(key)[0]);
  return namespaces.length > 0 && !namespaces.includes(splitKey(host)[0]);
}

/** The key of the Service that would have the host. */
function serviceOfHost(host: HostKey): ObjectKey {
  const [namespace] = splitKey(host);
  return host.slice(0, -(namespace.length + 1));
}

/** The hub is of another namespace, so it makes no entry for a host that a Service has. */
export function hostOfOthers(host: HostKey): Problem {
  const detail = `Service ${serviceOfHost(host)} already answers to this host, so a hub of another namespace makes no entry for it; rename the service, or use another spec.generate_to`;
  return { at: splitKey(host)[1], code: "ShadowsService", detail, severity: "rejected" };
}

/**
 * A warning for each host of the target that has the same name as a Service. Until the Services have been listed, the
 * warnings of the previous status stay, so that a restart changes nothing. Without the right to list Services there are no
 * warnings.
 */
export function shadowsOf(
  target: string,
  has: (host: HostKey) => boolean,
  { objects, status }: Services,
  previous: Pick<HubStatus, "problems"> | undefined,
): readonly Problem[] {
  if (status.state !== "synced" && status.error?.status === forbidden) return [];
  if (status.state === "pending") return rememberedWarnings("ShadowsService", previous);
  const inTarget = `${target}/`;
  const hosts = objects
    .keys()
    .filter((key) => key.startsWith(inTarget))
    .map(hostOfService);
  return hosts
    .filter(has)
    .map((host) => shadow(splitKey(host)[1]))
    .toArray();
}

/** `host` has two labels. */
function shadow(host: string): Problem {
  const [name, namespace] = host.split(".");
  const detail = `Service ${namespace}/${name} has the same name in the mesh, so callers reach one of the two at random; rename the Service, or use another spec.generate_to`;
  return { at: host, code: "ShadowsService", detail, severity: "warning" };
}
