import type { KubeObject } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import { objectAnnotations, objectLabels } from "./json.ts";

/** Whether the namespace is being deleted, so that nothing can be created in it. */
export function isTerminating({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** Whether the pods of the Namespace are ambient. Source: istio.io/api label, istio.io/dataplane-mode. */
export function isAmbient(object: KubeObject): boolean {
  return objectLabels(object)["istio.io/dataplane-mode"] === "ambient";
}

/** Whether the Namespace allows hubs in the namespace `from` to write into it. */
export function admitsHubsOf(object: KubeObject, from: string): boolean {
  const admitted = (objectAnnotations(object)[annotations.allowFrom] ?? "")
    .split(",")
    .map((name) => name.trim());
  return admitted.includes("*") || admitted.includes(from);
}
