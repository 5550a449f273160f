import type { DubboProviderOptions } from "../bed/dubbo-provider.ts";
import type { Sidecar } from "../bed/envoy.ts";
import { type AgentOptions, startAgentSidecar } from "../bed/istio-agent.ts";
import { type PodNetwork, type PodNetworkOptions, startPodNetwork } from "../bed/pod-network.ts";
import type { RetiringProvider } from "../bed/provider-process.ts";
import type { Tenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, type Mesh, startPod } from "./world.ts";

/** After so many seconds its sidecar cuts the connections that it took under an earlier policy; Istio's default is 45. */
export const drainSeconds = 5;

/** What a PeerAuthentication asks of those who call. */
export type MtlsMode = "STRICT" | "PERMISSIVE" | "DISABLE";

/** A pod with a sidecar, without an application yet. Disposal ends the sidecar; the Pod object stays. */
export interface MeshPod extends AsyncDisposable {
  readonly network: PodNetwork;
  readonly sidecar: Sidecar;
}

/**
 * Starts a pod with a sidecar: its network, Istio's agent in it, and the Pod object that says so, with the label that Istio's
 * injector adds. The namespace is made when there is none.
 */
export async function startMeshPod(
  { world, istiod }: Mesh,
  {
    namespace,
    name = "pod",
    ...network
  }: PodNetworkOptions & Required<Pick<AgentOptions, "namespace">> & { readonly name?: string },
): Promise<MeshPod> {
  await using starting = new AsyncDisposableStack();
  const pod = starting.use(await startPodNetwork(network));
  await createPod(world, { namespace, name, ...network });
  const sidecar = starting.use(await startAgentSidecar({ istiod, namespace, name, pod, drainSeconds }));
  const owned = starting.move();
  return { network: pod, sidecar, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Makes the Pod object of a pod with a sidecar that runs at the address. */
export async function createPod(
  { api: { kubectl } }: Mesh["world"],
  {
    namespace,
    name,
    address: ip,
    excludedPorts = [],
  }: PodNetworkOptions & { namespace: string; name: string },
): Promise<void> {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      labels: { app: name, "security.istio.io/tlsMode": "istio" },
      annotations: { "traffic.sidecar.istio.io/excludeInboundPorts": excludedPorts.join() },
    },
    spec: { automountServiceAccountToken: false, containers: [{ name: "app", image: "provider" }] },
  };
  // Before its ServiceAccount is there, the namespace takes no pod.
  await eventually(() => kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) }), ARRIVES_MS);
  const status = { phase: "Running", podIP: ip, podIPs: [{ ip }] };
  const patch = ["--subresource=status", "--type=merge", "--patch", JSON.stringify({ status })];
  await kubectl(["patch", "pod", name, "--namespace", namespace, ...patch]);
}

/** Starts a provider in a pod that registers in the tenant's ZooKeeper; by default it is named after its address. */
export function startInPod(
  mesh: Mesh,
  tenant: Tenant,
  { network }: MeshPod,
  options: Partial<DubboProviderOptions> = {},
): Promise<RetiringProvider> {
  const registry = mesh.world.zooKeeper.address.replace("127.0.0.1", network.outside);
  return startPod(mesh, tenant, {
    registry: `zookeeper://${registry}?group=${tenant.root.slice(1)}`,
    host: network.address,
    network,
    ...options,
  });
}

/** What all workloads of a namespace ask of those who call. */
export function setMtls(mesh: Mesh, namespace: string, mode: MtlsMode): Promise<void> {
  return applyPolicy(mesh, namespace, "default", { mtls: { mode } });
}

/** Applies a PeerAuthentication. */
export async function applyPolicy(
  { world }: Mesh,
  namespace: string,
  name: string,
  spec: object,
): Promise<void> {
  const kind = "PeerAuthentication";
  const policy = { apiVersion: "security.istio.io/v1", kind, metadata: { name, namespace }, spec };
  await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(policy) });
}
