import type { KubeObject } from "./kubernetes.ts";

/** The ports whose inbound connections a sidecar takes. Source: Istio's annotations traffic.sidecar.istio.io/…InboundPorts. */
export interface InboundPorts {
  /** undefined = all but those that are excluded. */
  readonly included?: readonly number[];
  readonly excluded: readonly number[];
}

/** What decides whether a pod's sidecar speaks mTLS; pods of one template have it in common. */
export interface SidecarTraits {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly inbound: InboundPorts;
}

/** What is kept of a pod with a sidecar. The name is its key, "<namespace>/<name>", so that memory holds that once. */
export interface MeshPod extends KubeObject {
  /**
   * "10.42.0.1", or several with commas between: a list would take more than what is in it. "" = the pod gets no traffic, or
   * none through its sidecar.
   */
  readonly ips: string;
  readonly traits: SidecarTraits;
}

/** undefined = the wider policy decides. */
export type MtlsMode = "DISABLE" | "PERMISSIVE" | "STRICT" | undefined;

/** What is kept of a PeerAuthentication. Source: istio.io/api security/v1beta1. */
export interface PeerPolicy extends KubeObject {
  readonly namespace: string;
  /** "<creation time> <name>": of several policies for the same pods the one whose text sorts first counts. */
  readonly precedence: string;
  /** The labels of the pods that it is for; none = every pod of the namespace, or of the mesh. */
  readonly selector: Readonly<Record<string, string>>;
  readonly mode: MtlsMode;
  /** By port of the pod; only with a selector. */
  readonly portModes: ReadonlyMap<number, MtlsMode>;
}
