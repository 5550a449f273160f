import type { KubeError } from "../../kube/errors.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";

/** Describes a refused write, or a list that cannot be read, for the hub's owner. */
export function failureOf(error: KubeError): ApplyFailure {
  const detail = error.message.replace(/\.$/, "");
  switch (error.reason) {
    case "Forbidden":
      return {
        reason: "Forbidden",
        detail,
        nextStep: "Grant the operator's ServiceAccount that permission.",
      };
    case "ResourceTypeMissing": {
      const nextStep = "Install Istio's CRDs; the operator then writes the entries.";
      return { reason: "IstioMissing", detail: "the cluster has no ServiceEntry resource", nextStep };
    }
    case "NamespaceMissing":
      return {
        reason: "NamespaceMissing",
        detail,
        nextStep: "Create the namespace, or change spec.generate_to.",
      };
    default:
      return { reason: "ApplyFailed", detail, nextStep: "The operator retries by itself." };
  }
}
