import type { KubeError } from "../kube/errors.ts";
import { otherKubeconfig } from "./settings.ts";

/** The next steps that depend on what a command reads. */
export interface NextSteps {
  /** Without a right that it needs. */
  readonly forbidden: string;
  /** Without a type that it needs. */
  readonly typeMissing: string;
}

/** What a command says of a cluster that it cannot read: what failed, and what to do. */
export function unreadable(error: KubeError, steps: NextSteps): string {
  return `the cluster cannot be read: ${error.message}. ${nextStepFor(error, steps)}`;
}

function nextStepFor({ reason }: KubeError, { forbidden, typeMissing }: NextSteps): string {
  switch (reason) {
    case "Unreachable":
    case "Timeout":
      return "Check that the kubeconfig's API server runs and is reachable from here.";
    case "BadKubeconfig":
      return otherKubeconfig;
    case "Unauthorized":
      return "Log in again, or name another kubeconfig with --kubeconfig or KUBECONFIG.";
    case "Forbidden":
      return forbidden;
    case "ResourceTypeMissing":
      return typeMissing;
    default:
      return "Try again.";
  }
}
