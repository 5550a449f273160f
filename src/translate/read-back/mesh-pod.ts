import { SocketAddress } from "node:net";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { InboundPorts, MeshPod, MtlsMode, PeerPolicy } from "../../model/mesh-pod.ts";
import { fieldsOf, isFields, listOf, objectAnnotations, objectLabels, textFieldsOf, textOf } from "./json.ts";
import { isPortNumber } from "./stored-endpoints.ts";

const inboundPorts = "traffic.sidecar.istio.io/";

/**
 * Whoever may create pods decides how many labels they have; one with more than this counts as one without a sidecar. So a
 * selector with more selects nobody.
 */
const maxLabelBytes = 10_000;
const nobody = { "": "" };

/** No pod listens on so many; those that come after these are as if nobody named them. */
const maxPorts = 1_000;

/**
 * A Pod, as far as it decides who speaks mTLS to it. A pod on the host's network has no address of its own.
 *
 * @param sharing returns the first traits that equal these.
 * @param before the pod as it was, whose texts are kept where they are the same.
 */
export function meshPodOf(
  pod: KubeObject & { readonly spec?: unknown; readonly status?: unknown },
  sharing: (traits: MeshPod["traits"]) => MeshPod["traits"],
  before?: MeshPod,
): MeshPod {
  const { namespace = "" } = pod.metadata;
  const { phase, podIPs } = fieldsOf(pod.status);
  const hasEnded = phase === "Succeeded" || phase === "Failed";
  const labels = objectLabels(pod);
  const isUsual = JSON.stringify(labels).length <= maxLabelBytes;
  const isReached = isUsual && !hasEnded && fieldsOf(pod.spec).hostNetwork !== true;
  const all = listOf(podIPs).flatMap((one) => textOf(fieldsOf(one).ip) ?? []);
  const ips = isReached ? all.map(canonicalIp).join() : "";
  const { resourceVersion } = pod.metadata;
  const name = before?.metadata.name ?? [namespace, pod.metadata.name].join("/"); // a template would keep its parts in memory
  return {
    metadata: resourceVersion === undefined ? { name } : { name, resourceVersion },
    ips: ips === before?.ips ? before.ips : ips,
    traits: sharing({ namespace, labels: isUsual ? labels : {}, inbound: inboundOf(pod) }),
  };
}

/** What Node writes an IPv4 address as, where it is said in IPv6. */
const ipv4Mapped = /^::ffff:(?=\d+\.)/;

/** The addresses of a pod, each spelled as `canonicalIp` does. */
export function ipsOf(pod: MeshPod | undefined): readonly string[] {
  return pod === undefined || pod.ips === "" ? [] : pod.ips.split(",");
}

/** One spelling of each address: those of IPv6 have many, and IPv4 can be said in it (`::ffff:10.0.0.1`). */
export function canonicalIp(address: string): string {
  if (!address.includes(":")) return address;
  try {
    return new SocketAddress({ address, family: "ipv6" }).address.replace(ipv4Mapped, "");
  } catch {
    return address; // no IP address, and so no pod's
  }
}

/** What Istio's injector cannot read either does not count. */
function inboundOf(pod: KubeObject): InboundPorts {
  const notes = objectAnnotations(pod);
  const included = notes[`${inboundPorts}includeInboundPorts`]?.trim();
  const excluded = notes[`${inboundPorts}excludeInboundPorts`] ?? "";
  return {
    ...(included !== undefined && included !== "*" && { included: portsIn(included) }),
    excluded: portsIn(excluded),
  };
}

function portsIn(list: string): readonly number[] {
  const ports = list.split(",").map((port) => Number(port.trim()));
  return [...new Set(ports)].filter(isPortNumber).slice(0, maxPorts);
}

/** Reads a PeerAuthentication. A field that is not as Istio describes it counts as absent. */
export function peerPolicyOf(object: KubeObject & { readonly spec?: unknown }): PeerPolicy {
  const { name, namespace = "", creationTimestamp } = object.metadata;
  const { selector, mtls, portLevelMtls } = fieldsOf(object.spec);
  const labels = textFieldsOf(fieldsOf(selector).matchLabels);
  return {
    metadata: versionOf(object),
    namespace,
    precedence: `${textOf(creationTimestamp) ?? ""} ${name}`,
    selector: JSON.stringify(labels).length <= maxLabelBytes ? labels : nobody,
    mode: modeOf(mtls),
    portModes: portModesOf(fieldsOf(portLevelMtls)),
  };
}

/** In ascending order, as numbers in an object are. */
function portModesOf(modes: Readonly<Record<string, unknown>>): PeerPolicy["portModes"] {
  const ports = Object.keys(modes).filter((port) => isPortNumber(Number(port)));
  return new Map(ports.slice(0, maxPorts).map((port) => [Number(port), modeOf(modes[port])]));
}

/** All that a list needs of an object. */
function versionOf({ metadata: { name, namespace, resourceVersion } }: KubeObject): KubeObject["metadata"] {
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}

function modeOf(mtls: unknown): MtlsMode {
  const { mode } = isFields(mtls) ? mtls : {};
  return mode === "DISABLE" || mode === "PERMISSIVE" || mode === "STRICT" ? mode : undefined;
}
