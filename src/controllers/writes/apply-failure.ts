import type { KubeError } from "../../kube/errors.ts";
import { apiVersionOf, resources } from "../../kube/resources.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";

/** Describes a refused write, or a list that cannot be read, for the hub's owner. */
export function failureOf(error: KubeError): ApplyFailure {
  const detail = error.message.replace(/\.$/, "");
  switch (error.reason) {
    case "Forbidden":
      return refusalOf(detail);
    case "ResourceTypeMissing": {
      const missing = `the cluster does not serve ${apiVersionOf(resources.serviceEntries)} ServiceEntry`;
      const nextStep =
        "Install Istio's CRDs, of a release that has this version; the operator then writes the entries.";
      return { reason: "IstioMissing", detail: missing, nextStep };
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

/**
 * A 403 is a missing right, unless admission says that it is something else. Sources: k8s.io/apiserver
 * pkg/admission/plugin/{resourcequota,webhook/errors,policy/validating}.
 */
function refusalOf(detail: string): ApplyFailure {
  if (detail.includes("exceeded quota: "))
    return {
      reason: "ApplyFailed",
      detail,
      nextStep: "Raise the namespace's ResourceQuota; the operator retries by itself.",
    };
  if (/admission webhook "|ValidatingAdmissionPolicy '/.test(detail))
    return {
      reason: "ApplyFailed",
      detail,
      nextStep: "Have that admission rule admit the object; the operator retries by itself.",
    };
  const nextStep = "Grant the operator's ServiceAccount that permission.";
  return { reason: "Forbidden", detail, nextStep };
}
