import { objectKey } from "../../kube/resources.ts";
import { counted, table } from "../output.ts";
import type { Remaining } from "./carry-out.ts";
import type { UninstallPlan } from "./plan.ts";

/** More of one type are counted. */
const shownAtMost = 10;

/** What the command deletes, in order, and what stays. */
export function planLines(
  plan: UninstallPlan,
  unseen: readonly string[],
  isWide: boolean,
): readonly string[] {
  const steps = plan.steps.filter(({ objects }) => objects.length > 0);
  const [serviceEntries] = steps.filter(({ resource }) => resource.kind === "ServiceEntry");
  const effect = serviceEntries
    ? `${counted(serviceEntries.objects.length, "host")} with ${counted(plan.endpoints, "endpoint")} stop being reachable in the mesh.`
    : "No host stops being reachable in the mesh.";
  return [
    ...(steps.length === 0 ? ["there is nothing to delete"] : [effect, "deleted, in this order:"]),
    ...steps.flatMap(({ resource, objects }) => {
      const shown = isWide ? objects : objects.slice(0, shownAtMost);
      const more = objects.length - shown.length;
      return [
        `  ${resource.kind}: ${objects.length}`,
        ...shown.map((one) => `    ${objectKey(one)}`),
        ...(more > 0 ? [`    and ${more} more: -o wide`] : []),
      ];
    }),
    ...(plan.left.length === 0
      ? []
      : ["left as they are:", ...table(plan.left.map(({ object, why }) => [`  ${object}`, why]))]),
    ...(plan.running.length === 0 ? [] : [`an operator runs, and may help: ${plan.running.join(", ")}`]),
    ...unseen.map((one) => `not seen: ${one}`),
    ...(steps.length === 0 ? lastSteps : ["To keep hubs: kubectl get registryhubs -A -o yaml > hubs.yaml"]),
  ];
}

/** What is left to do by hand. */
export const lastSteps: readonly string[] = [
  "What was installed stays: Deployments, rights and CRD. To delete them, too:",
  "  kubectl delete -k config/manager && kubectl delete -k config/rbac && kubectl delete -k config/crd",
  "Secrets, annotations of namespaces, and VirtualServices and DestinationRules of yours stay as they are.",
];

/** What could not be deleted. */
export function remainingLines(remaining: readonly Remaining[]): readonly string[] {
  const shown = remaining.slice(0, shownAtMost);
  const more = remaining.length - shown.length;
  return [
    `not deleted, and nothing after it: ${shown[0]?.object ?? ""}`,
    `cause: ${shown[0]?.why ?? ""}`,
    "fix:   do away with the cause, and run the command again; it goes on where it stopped",
    ...shown.slice(1).map(({ object, why }) => `  ${object}: ${why}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}
