import type { KubeObject } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import { objectAnnotations } from "./json.ts";

/** Whether the namespace is being deleted, so that nothing can be created in it. */
export function isTerminating({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** Whether the Namespace allows hubs in the namespace `from` to write into it. */
export function admitsHubsOf(object: KubeObject, from: string): boolean {
  const admitted = (objectAnnotations(object)[annotations.allowFrom] ?? "")
    .split(",")
    .map((name) => name.trim());
  return admitted.includes("*") || admitted.includes(from);
}
