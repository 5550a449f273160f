import type { InboundPorts, MtlsMode, PeerPolicy, SidecarTraits } from "../model/mesh-pod.ts";

/**
 * Whether a sidecar answers mTLS at a port of its pod: it takes the port's connections, and no policy turns mTLS off there.
 * The policy for the workload comes first, then its namespace's, then the mesh's, which is in the root namespace.
 * Source: istio's ComposePeerAuthentication (pilot/pkg/security/authn/policy_applier.go) and istio-iptables.
 */
export function speaksMtls(
  { namespace, labels, inbound }: SidecarTraits,
  port: number,
  policies: readonly PeerPolicy[],
  rootNamespace: string,
): boolean {
  if (!takes(inbound, port)) return false;
  const oldest = (applies: (policy: PeerPolicy) => boolean): PeerPolicy | undefined =>
    policies.filter(applies).sort((a, b) => (a.precedence < b.precedence ? -1 : 1))[0];
  const mesh = oldest((policy) => policy.namespace === rootNamespace && isForAll(policy));
  const own = policies.filter((policy) => policy.namespace === namespace && namespace !== rootNamespace);
  const whole = oldest((policy) => own.includes(policy) && isForAll(policy));
  const workload = oldest(
    (policy) => own.includes(policy) && !isForAll(policy) && isSelected(labels, policy),
  );
  const modes: readonly MtlsMode[] = [workload?.portModes.get(port), workload?.mode, whole?.mode, mesh?.mode];
  return modes.find((mode) => mode !== undefined) !== "DISABLE";
}

/** Exclusions only count where all ports are included. */
function takes({ included, excluded }: InboundPorts, port: number): boolean {
  return included === undefined ? !excluded.includes(port) : included.includes(port);
}

const isForAll = ({ selector }: PeerPolicy): boolean => Object.keys(selector).length === 0;

const isSelected = (labels: SidecarTraits["labels"], { selector }: PeerPolicy): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);
