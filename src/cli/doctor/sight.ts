import type { MeshConfig } from "../../controllers/writes/mesh-configs.ts";
import type { Lease } from "../../kube/lease.ts";
import type { Resource } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { PeerPolicy } from "../../model/mesh-pod.ts";
import type { PortRules } from "../../model/port-rules.ts";
import type { ConsumerPod, OutboundCapture } from "../../translate/read-back/consumer-pod.ts";
import type { SidecarResource } from "../../translate/read-back/sidecar-resource.ts";
import type { KnownHub } from "../explain/asked.ts";
import type { Objects } from "../explain/objects.ts";

/** A Service. */
export interface ServiceFacts {
  readonly namespace: string;
  readonly name: string;
  /** "None" = headless. */
  readonly clusterIPs: readonly string[];
  readonly selector: Readonly<Record<string, string>>;
}

/** The addresses of a node's pods. */
export interface NodeFacts {
  readonly name: string;
  readonly podCIDRs: readonly string[];
}

/** What the injector of one revision does where a pod says nothing. */
export interface InjectorFacts {
  /** "<namespace>/<name>" of its ConfigMap. */
  readonly key: string;
  readonly outbound: OutboundCapture;
}

/** What a ServiceAccount of the operator has to be allowed. */
export interface Right {
  readonly account: string;
  readonly verb: string;
  readonly resource: Resource;
  readonly subresource?: "status";
  /** Where; "" = in the whole cluster. */
  readonly namespace: string;
  /** Of one object; "" = of all. */
  readonly name: string;
  /** What does not work without it, as the end of "so …". */
  readonly without: string;
}

/** What the operator is told. */
export interface Settings {
  readonly vipCidr: string;
  readonly rootNamespace: string;
  readonly leaderElectNamespace: string;
  readonly dubboPorts: PortRules;
}

/** Whatever a person may see of a cluster. undefined = nothing of it is seen, which is not the same as that there is none. */
export interface Sight {
  readonly objects: Objects;
  readonly hubs: readonly KnownHub[];
  readonly namespaces: ReadonlyMap<string, KubeObject> | undefined;
  readonly pods: readonly ConsumerPod[] | undefined;
  readonly services: readonly ServiceFacts[] | undefined;
  readonly nodes: readonly NodeFacts[] | undefined;
  readonly sidecars: readonly SidecarResource[] | undefined;
  readonly peerPolicies: readonly PeerPolicy[] | undefined;
  readonly meshes: readonly MeshConfig[] | undefined;
  readonly injectors: readonly InjectorFacts[] | undefined;
  /** Of the namespace of the Leases. */
  readonly leases: readonly Lease[] | undefined;
  /** The names of the fields of a RegistryHub's spec that the API server keeps. */
  readonly specFields: ReadonlySet<string> | undefined;
  /** Those that the operator lacks. */
  readonly lacking: readonly Right[] | undefined;
  readonly settings: Settings;
  /** Wall time in ms. */
  readonly now: number;
  /** What there was no right to see of the mesh, in words. */
  readonly unseen: readonly string[];
  /** The same of the operator itself. */
  readonly unseenOfOperator: readonly string[];
}

/** Whether all objects of a type are seen, and so one can tell that there is none. @param plural as in `resources`. */
export const isWhole = ({ unseen }: Pick<Sight, "unseen">, plural: string): boolean =>
  !unseen.some((one) => one.startsWith(`${plural}:`) || one.startsWith(`${plural}.`));
