import type { ConsumerPod, OutboundCapture } from "../../translate/read-back/consumer-pod.ts";
import { isRegistryOnly } from "../../translate/read-back/mesh-config.ts";
import { allOutbound } from "./outbound.ts";
import { sidecarFor } from "./scope.ts";
import { isWhole, type Sight } from "./sight.ts";

/** Which connections its sidecar takes: what its own rules say comes before the injector's settings. */
export function captureOf({ sidecar }: ConsumerPod, { injectors }: Sight): OutboundCapture {
  return { ...allOutbound, ...injectors?.[0]?.outbound, ...sidecar?.outbound };
}

/** What is known of a consumer, for people. */
export function podFacts(pod: ConsumerPod, sight: Sight, ambient: boolean): Readonly<Record<string, string>> {
  if (ambient)
    return { proxy: "ztunnel: Dubbo is balanced by connection; exportTo and Sidecars do not count" };
  if (pod.sidecar === undefined) return { proxy: "none" };
  return {
    proxy: pod.sidecar.image || "of an unknown image",
    DNS: pod.sidecar.capturesDns ? "answered by the proxy" : "not answered by the proxy",
    captured: capturedInWords(captureOf(pod, sight)),
    Sidecar: sidecarInWords(pod, sight),
    "other hosts": othersInWords(sight),
  };
}

/** What was not seen, and might keep it from calling hosts. */
export function unsureOf(pod: ConsumerPod, sight: Sight, ambient: boolean): readonly string[] {
  const isCaptureSeen =
    sight.injectors !== undefined || Object.keys(pod.sidecar?.outbound ?? {}).length > 0 || ambient;
  return [
    ambient || isWhole(sight, "sidecars") ? "" : "Sidecars",
    isCaptureSeen ? "" : "the injector's ranges",
    sight.meshes === undefined || sight.namespaces === undefined ? "serviceEntryVisibility" : "",
  ].filter((one) => one !== "");
}

function capturedInWords(capture: OutboundCapture): string {
  const { includeRanges, excludeRanges, includePorts, excludePorts } = capture;
  const parts = [
    includeRanges === "*" ? "all addresses" : includeRanges || "no address",
    excludeRanges && `without ${excludeRanges}`,
    includePorts && `and ports ${includePorts}`,
    excludePorts && `without ports ${excludePorts}`,
  ];
  return parts.filter((one) => one !== "").join(" ");
}

function sidecarInWords(pod: ConsumerPod, sight: Sight): string {
  const { sidecars, settings } = sight;
  const sidecar = sidecarFor(sidecars ?? [], pod.namespace, pod.labels, settings.rootNamespace);
  if (sidecar !== undefined) return sidecar.key;
  return isWhole(sight, "sidecars") ? "none: it sees all hosts" : "none that you may see";
}

function othersInWords({ meshes }: Sight): string {
  if (meshes === undefined) return "not seen";
  return meshes.some(({ mesh }) => isRegistryOnly(mesh))
    ? "blocked (outboundTrafficPolicy REGISTRY_ONLY)"
    : "called directly";
}
