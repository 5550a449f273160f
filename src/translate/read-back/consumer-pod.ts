import type { KubeObject } from "../../model/kubernetes.ts";
import type { MeshPod } from "../../model/mesh-pod.ts";
import { fieldsOf, listOf, objectAnnotations, objectLabels, textOf, textsOf } from "./json.ts";
import { isTrue } from "./mesh-config.ts";
import { meshPodOf } from "./mesh-pod.ts";

/** Which outbound connections of a pod go to its sidecar, as Istio writes it: lists with commas, `*` = all. */
export interface OutboundCapture {
  readonly includeRanges: string;
  readonly excludeRanges: string;
  readonly includePorts: string;
  readonly excludePorts: string;
}

/** What a sidecar was started with. */
export interface SidecarContainer {
  readonly image: string;
  /** Whether it answers DNS. */
  readonly capturesDns: boolean;
  /** undefined = nothing in the pod says it, so the injector's default holds. */
  readonly outbound: Partial<OutboundCapture>;
}

/** A pod, as far as it calls hosts of the mesh, or is called. */
export interface ConsumerPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it has ended. */
  readonly hasEnded: boolean;
  readonly isOnHostNetwork: boolean;
  /** undefined = it has none, or is a gateway. */
  readonly sidecar: SidecarContainer | undefined;
  readonly isAmbient: boolean;
  /** What the label or the annotation `sidecar.istio.io/inject` says; undefined = nothing. */
  readonly inject: string | undefined;
  /** That of its first container besides the sidecar. */
  readonly image: string;
  /** What decides whether it speaks mTLS. */
  readonly mesh: MeshPod;
}

const proxyName = "istio-proxy";
/** One of them has the arguments of istio-iptables; with istio-cni it is the second. */
const captureNames = ["istio-init", "istio-validation"];
const notes = {
  includeRanges: "traffic.sidecar.istio.io/includeOutboundIPRanges",
  excludeRanges: "traffic.sidecar.istio.io/excludeOutboundIPRanges",
  includePorts: "traffic.sidecar.istio.io/includeOutboundPorts",
  excludePorts: "traffic.sidecar.istio.io/excludeOutboundPorts",
} as const;
/** The arguments of istio-iptables. Source: istio tools/istio-iptables/pkg/constants. */
const flags = { includeRanges: "-i", excludeRanges: "-x", includePorts: "-q", excludePorts: "-o" } as const;

/** Reads a pod. Sources: istio's injection template, files/injection-template.yaml; istio.io/api annotation. */
export function consumerPodOf(
  pod: KubeObject & { readonly spec?: unknown; readonly status?: unknown },
): ConsumerPod {
  const { name, namespace = "" } = pod.metadata;
  const { containers, initContainers, hostNetwork } = fieldsOf(pod.spec);
  const { phase } = fieldsOf(pod.status);
  const labels = objectLabels(pod);
  const annotations = objectAnnotations(pod);
  const apps = listOf(containers).filter((one) => fieldsOf(one).name !== proxyName);
  const proxy = [...listOf(containers), ...listOf(initContainers)].find(
    (one) => fieldsOf(one).name === proxyName,
  );
  const inject = "sidecar.istio.io/inject";
  return {
    namespace,
    name,
    labels,
    hasEnded: phase === "Succeeded" || phase === "Failed",
    isOnHostNetwork: hostNetwork === true,
    sidecar:
      proxy === undefined || apps.length === 0
        ? undefined
        : {
            image: textOf(fieldsOf(proxy).image) ?? "",
            capturesDns: isTrue(envOf(proxy, "ISTIO_META_DNS_CAPTURE")),
            outbound: outboundOf(listOf(initContainers), annotations),
          },
    isAmbient: annotations["ambient.istio.io/redirection"] === "enabled",
    inject: labels[inject] ?? annotations[inject],
    image: textOf(fieldsOf(apps[0]).image) ?? "",
    mesh: meshPodOf(pod, (traits) => traits),
  };
}

function envOf(container: unknown, name: string): string | undefined {
  const found = listOf(fieldsOf(container).env).find((one) => fieldsOf(one).name === name);
  return textOf(fieldsOf(found).value);
}

/** The arguments with which the rules were made come before annotations, which somebody may have changed since. */
function outboundOf(
  initContainers: readonly unknown[],
  annotations: Readonly<Record<string, string>>,
): Partial<OutboundCapture> {
  const init = initContainers.find((one) => captureNames.includes(textOf(fieldsOf(one).name) ?? ""));
  const args = textsOf(fieldsOf(init).args);
  const after = (flag: string): string | undefined =>
    args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? "") : undefined;
  const said = Object.entries(flags).flatMap(([key, flag]) => {
    const value = after(flag) ?? annotations[notes[key as keyof typeof notes]];
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(said);
}
