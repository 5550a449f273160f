import { KnownFilters } from "../../controllers/dubbo/known-filters.ts";
import type { Lease } from "../../kube/lease.ts";
import { objectKey, type Resource, resources } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { DestinationRule, EnvoyFilter, ServiceEntry } from "../../model/istio.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import { fieldManagers, labels } from "../../model/labels.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { isDefaultRule } from "../../translate/read-back/destination-rule.ts";
import { fieldsOf, listOf, objectLabels } from "../../translate/read-back/json.ts";
import { entryOf } from "../../translate/read-back/service-entry.ts";
import { controllerOf, isHeld } from "../leases.ts";

/** What is there of the operator, or has its labels. */
export interface Found {
  readonly hubs: readonly Stored<RegistryHub>[];
  readonly serviceEntries: readonly Stored<ServiceEntry>[];
  readonly destinationRules: readonly Stored<DestinationRule>[];
  readonly envoyFilters: readonly Stored<EnvoyFilter>[];
  /** Of the namespace of the Leases. */
  readonly leases: readonly Lease[];
}

/** Objects of one type that are deleted together. */
export interface Step {
  readonly resource: Resource;
  readonly objects: readonly KubeObject[];
}

/** An object that stays. */
export interface Left {
  readonly object: string;
  readonly why: string;
}

/** What is deleted, in order, and what stays. */
export interface UninstallPlan {
  /**
   * Hubs first, so that no operator puts back what comes after. A filter goes after its entry: without it the entry would be
   * served as plain TCP, and a running dubbo-controller would put it back.
   */
  readonly steps: readonly Step[];
  readonly left: readonly Left[];
  /** The holders of Leases that are renewed: processes that run. */
  readonly running: readonly string[];
  readonly endpoints: number;
}

/** @param now wall time in ms. */
export function uninstallPlan(found: Found, rootNamespace: string, now: Ms): UninstallPlan {
  const { hubs, serviceEntries, destinationRules, envoyFilters } = found;
  const known = new KnownFilters(rootNamespace);
  const entries = split(serviceEntries, fieldManagers.registryhub, () => undefined);
  const rules = split(destinationRules, fieldManagers.registryhub, (one) =>
    isDefaultRule(one) ? undefined : "has our label under a name that the operator never uses",
  );
  const filters = split(envoyFilters, fieldManagers.dubbo, (one) =>
    known.isOurs(one)
      ? undefined
      : `belongs to a dubbo-controller with another --root-namespace than ${rootNamespace}`,
  );
  const leases = found.leases.filter((one) => controllerOf(one) !== undefined);
  const held = leases.filter((one) => isHeld(one, now));
  return {
    steps: [
      { resource: resources.registryHubs, objects: hubs },
      { resource: resources.serviceEntries, objects: entries.ours },
      { resource: resources.destinationRules, objects: rules.ours },
      { resource: resources.envoyFilters, objects: filters.ours },
      { resource: resources.leases, objects: leases.filter((one) => !held.includes(one)) },
    ],
    left: [
      ...entries.left,
      ...rules.left,
      ...filters.left,
      ...held.map((one) => ({
        object: `Lease ${objectKey(one)}`,
        why: "a process holds it; it goes with the Deployment",
      })),
    ],
    running: held.map((one) => `${one.metadata.name} (${one.spec?.holderIdentity ?? ""})`),
    endpoints: entries.ours.reduce((sum, one) => sum + (entryOf(one)?.endpoints.size ?? 0), 0),
  };
}

/**
 * A label is what anybody can write, and a copy has it as well. Who wrote an object only the API server says, in managedFields.
 */
function split<T extends KubeObject>(
  objects: readonly T[],
  manager: string,
  objection: (object: T) => string | undefined,
): { readonly ours: readonly T[]; readonly left: readonly Left[] } {
  const ours: T[] = [];
  const left: Left[] = [];
  for (const object of objects) {
    if (objectLabels(object)[labels.managedBy] !== manager) continue;
    const wrote = listOf(object.metadata.managedFields).some((one) => fieldsOf(one).manager === manager);
    const why = wrote
      ? objection(object)
      : `has our label, and ${manager} never wrote it: somebody copied or restored it; if nobody needs it, delete it by hand`;
    if (why === undefined) ours.push(object);
    else left.push({ object: `${object.kind ?? ""} ${objectKey(object)}`, why });
  }
  return { ours, left };
}
