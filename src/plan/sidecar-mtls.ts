import type { InboundPorts, MtlsMode, PeerPolicy, SidecarTraits } from "../model/mesh-pod.ts";

/** The policies of each namespace, those that come first in front. */
export type PeerPolicies = ReadonlyMap<string, readonly PeerPolicy[]>;

/** Sorts policies for `speaksMtls`. */
export function peerPoliciesOf(policies: readonly PeerPolicy[]): PeerPolicies {
  const sorted = policies.toSorted((one, other) => (one.precedence < other.precedence ? -1 : 1));
  return Map.groupBy(sorted, ({ namespace }) => namespace);
}

/**
 * Whether a sidecar answers mTLS at a port of its pod: it takes the port's connections, and no policy turns mTLS off there.
 * The policy for the workload comes first, then its namespace's, then the mesh's, which is in the root namespace.
 * Source: istio's ComposePeerAuthentication (pilot/pkg/security/authn/policy_applier.go) and istio-iptables.
 */
export function speaksMtls(
  traits: SidecarTraits,
  port: number,
  policies: PeerPolicies,
  rootNamespace: string,
): boolean {
  return takes(traits.inbound, port) && modeAt(traits, port, policies, rootNamespace) !== "DISABLE";
}

/** Whether a sidecar refuses plain text at a port of its pod. */
export function demandsMtls(
  traits: SidecarTraits,
  port: number,
  policies: PeerPolicies,
  rootNamespace: string,
): boolean {
  return takes(traits.inbound, port) && modeAt(traits, port, policies, rootNamespace) === "STRICT";
}

function modeAt(
  { namespace, labels }: SidecarTraits,
  port: number,
  policies: PeerPolicies,
  rootNamespace: string,
): MtlsMode {
  const own = namespace === rootNamespace ? [] : (policies.get(namespace) ?? []);
  const workload = own.find((policy) => !isForAll(policy) && isSelected(labels, policy));
  const modes: readonly MtlsMode[] = [
    workload?.portModes.get(port),
    workload?.mode,
    own.find(isForAll)?.mode,
    policies.get(rootNamespace)?.find(isForAll)?.mode,
  ];
  return modes.find((mode) => mode !== undefined);
}

/** Exclusions only count where all ports are included. */
function takes({ included, excluded }: InboundPorts, port: number): boolean {
  return included === undefined ? !excluded.includes(port) : included.includes(port);
}

const isForAll = ({ selector }: PeerPolicy): boolean => Object.keys(selector).length === 0;

const isSelected = (labels: SidecarTraits["labels"], { selector }: PeerPolicy): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);
