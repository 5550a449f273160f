import { type Hub, wants } from "../../model/hub.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";
import { admitsHubsOf, isTerminating } from "../../translate/read-back/namespace.ts";

export interface TargetRules {
  readonly allowCrossNamespace: boolean;
  /** [] = all. */
  readonly watchNamespaces: readonly string[];
  /** Globs of namespaces that receive no entries: their names end public domains, for example. */
  readonly denyTargets: readonly string[];
}

/** Whether the operator handles hubs and ServiceEntries of this namespace. */
export function isWatched(namespace: string, rules: Pick<TargetRules, "watchNamespaces">): boolean {
  return rules.watchNamespaces.length === 0 || rules.watchNamespaces.includes(namespace);
}

/** Why a hub's target cannot receive its entries now, or undefined when it can. */
export function targetProblem(
  hub: Hub,
  namespaces: ReadonlyMap<string, KubeObject>,
  rules: TargetRules,
): ApplyFailure | undefined {
  const { target } = hub;
  if (!isWatched(target, rules)) {
    const nextStep = "Add the namespace to the operator's --watch-namespaces, or change spec.generate_to.";
    return {
      reason: "NamespaceNotAllowed",
      detail: `this operator does not watch namespace ${target}`,
      nextStep,
    };
  }
  if (wants({ include: rules.denyTargets, exclude: [] }, target)) {
    const nextStep = "Change spec.generate_to, or take the namespace out of the operator's --deny-targets.";
    const detail = `this operator makes no entries in namespace ${target} (--deny-targets); those that exist stay`;
    return { reason: "NamespaceNotAllowed", detail, nextStep };
  }
  const namespace = namespaces.get(target);
  if (namespace === undefined || isTerminating(namespace)) {
    const what = namespace === undefined ? "does not exist" : "is being deleted";
    const nextStep =
      "Create the namespace, or change spec.generate_to; the operator then writes the entries.";
    return { reason: "NamespaceMissing", detail: `namespace ${target} ${what}`, nextStep };
  }
  if (target === hub.namespace || rules.allowCrossNamespace || admitsHubsOf(namespace, hub.namespace))
    return undefined;
  const nextStep = `Annotate the namespace with ${annotations.allowFrom}: "${hub.namespace}".`;
  const detail = `namespace ${target} does not accept entries from hubs in ${hub.namespace}`;
  return { reason: "NamespaceNotAllowed", detail, nextStep };
}
