import { rfc3339Micro } from "../../../src/model/time.ts";
import { openServed } from "../../controllers/scenes.ts";
import { home, rootNamespace, type World } from "../../controllers/world.ts";

type Labels = Readonly<Record<string, string>>;

export const meshConfig = (mesh: string, name = "istio") => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: rootNamespace, name, labels: { "istio.io/rev": "any" } },
  data: { mesh },
});

export const capturing = "defaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' } }\n";

/** @param proxy the values below global.proxy. */
export const injector = (proxy: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: rootNamespace, name: "istio-sidecar-injector" },
  data: { values: JSON.stringify({ global: { proxy } }) },
});

interface PodScene {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly ip?: string;
  readonly hostNetwork?: boolean;
  /** Of istio-iptables; undefined = as with istio-cni, none. */
  readonly args?: readonly string[];
  readonly dns?: string;
  readonly hasSidecar?: boolean;
  readonly image?: string;
}

/** A pod as Istio's injector leaves it. */
export function pod(name: string, scene: PodScene = {}) {
  const { namespace = home, labels = {}, annotations = {}, ip = "10.42.9.9", hostNetwork = false } = scene;
  const { args, dns = "true", hasSidecar = true, image = "app:1" } = scene;
  const proxy = {
    name: "istio-proxy",
    image: "docker.io/istio/proxyv2:1.31.1",
    env: [{ name: "ISTIO_META_DNS_CAPTURE", value: dns }],
  };
  const init = { name: "istio-init", image: "docker.io/istio/proxyv2:1.31.1", args };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace,
      name,
      annotations,
      labels: { ...(hasSidecar && { "security.istio.io/tlsMode": "istio" }), ...labels },
    },
    spec: {
      hostNetwork,
      containers: [{ name: "app", image }, ...(hasSidecar ? [proxy] : [])],
      initContainers: args === undefined ? [] : [init],
    },
    status: { phase: "Running", podIPs: [{ ip }] },
  };
}

export const sidecar = (egress: readonly object[], { namespace = rootNamespace, labels = {} } = {}) => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "Sidecar",
  metadata: { namespace, name: "default" },
  spec: { egress, ...(Object.keys(labels).length > 0 && { workloadSelector: { labels } }) },
});

export const lease = (name: string, renewedAt: number, holderIdentity = `${name}-1`) => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { namespace: rootNamespace, name },
  spec: { holderIdentity, leaseDurationSeconds: 15, renewTime: rfc3339Micro(renewedAt) },
});

/** Puts it with its status, which kubelet would write. */
export function putPod({ person }: World, object: ReturnType<typeof pod>): void {
  person.put(object);
  const { namespace, name } = object.metadata;
  person.editStatus("pods", `${namespace}/${name}`, (one) => ({ ...one, status: object.status }));
}

/** Two services with filters, a mesh as it has to be, and one consumer, `demo/shop`. */
export async function openHealthy(scene: Parameters<typeof openServed>[0] = {}): Promise<World> {
  const world = await openServed(scene);
  const { person, clock } = world;
  person.put(meshConfig(capturing));
  person.put(injector({ includeIPRanges: "*" }));
  putPod(world, pod("shop", { args: ["-p", "15001", "-i", "*", "-x", ""] }));
  for (const name of ["registryhub", "dubbo-controller"]) person.put(lease(name, clock.now()));
  return world;
}
