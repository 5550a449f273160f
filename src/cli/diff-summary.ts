import type { Hub } from "../model/hub.ts";
import type { ServiceEntry } from "../model/istio.ts";
import type { Stored } from "../model/kubernetes.ts";
import { registries } from "../registries/index.ts";
import { entryOf } from "../translate/read-back/service-entry.ts";
import type { Change, ClusterCopy } from "./cluster-copy.ts";
import type { Generated } from "./generate.ts";

/** How much would change, and the facts that a diff does not show: when, and what stays. One line each. */
export function* summaryOf(hub: Hub, { held }: Generated, cluster: ClusterCopy): Generator<string> {
  for (const { object, reason, message } of cluster.notes()) {
    const { namespace, name } = object.metadata;
    yield `warning: ${object.kind} ${namespace}/${name}: ${reason}: ${message}`;
  }
  const entries = cluster.serviceEntries.changes();
  const endpoints = entries.map(endpointsOf);
  const gone = endpoints.filter(({ isEmptied }) => isEmptied).length;
  const removed = sumOf(endpoints.map((one) => one.removed));
  const added = sumOf(endpoints.map((one) => one.added));
  const filters = cluster.envoyFilters.changes();
  yield `${hub.key}: ServiceEntries: ${tally(entries)}; endpoints: ${added} to add, ${removed} to remove; EnvoyFilters: ${tally(filters)}`;
  if (held.endpoints > 0) {
    const why =
      hub.policy === "upsert-only"
        ? "spec.policy is upsert-only"
        : "the registry cannot say whether they are gone";
    yield `held: ${held.endpoints} endpoints of ${held.services} services stay: ${why}`;
  }
  if (gone > 0)
    yield `${gone} ServiceEntries lose their last endpoint; the operator deletes each, with its EnvoyFilters, once it has been empty for --empty-grace`;
  if (removed > 0)
    yield `the operator removes nothing before it has read the registry for ${registries[hub.registry.type].settleMs / 1_000} s; a hold (condition DeletionHeld) may delay removals further`;
  if (hub.suspend) yield "spec.suspend is true: the operator writes none of this until it is false";
  if (hub.policy === "observe") yield "spec.policy is observe: the operator writes none of this";
}

const tally = (changes: readonly Change[]): string => {
  const created = changes.filter(({ before }) => before === undefined).length;
  const deleted = changes.filter(({ after }) => after === undefined).length;
  return `${created} to create, ${changes.length - created - deleted} to change, ${deleted} to delete`;
};

function endpointsOf({ before, after }: Change<Stored<ServiceEntry>>) {
  const addrs = (object: Stored<ServiceEntry> | undefined): ReadonlySet<string> =>
    new Set(object && entryOf(object)?.endpoints.keys());
  const [had, has] = [addrs(before), addrs(after)];
  return {
    added: has.difference(had).size,
    removed: had.difference(has).size,
    isEmptied: had.size > 0 && after !== undefined && has.size === 0,
  };
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);
