import { EntryIndex } from "../../controllers/writes/entry-index.ts";
import { KubeError } from "../../kube/errors.ts";
import { objectKey, resources } from "../../kube/resources.ts";
import type { DestinationRule, EnvoyFilter, ServiceEntry, VirtualService } from "../../model/istio.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { sharing } from "../../runtime/sharing.ts";
import { fieldsOf, textOf } from "../../translate/read-back/json.ts";
import {
  nameOnly,
  targetOf,
  withOwnWritesOnly,
  withoutManagedFields,
} from "../../translate/read-back/kept.ts";
import type { Access } from "../access.ts";
import { listSeen, type Seen } from "../list-all.ts";

/** Everything in a cluster that says what becomes of a host, as far as a person may see it. */
export interface Objects {
  readonly hubs: readonly Stored<RegistryHub>[];
  /** By key. */
  readonly serviceEntries: ReadonlyMap<string, Stored<ServiceEntry>>;
  readonly entries: EntryIndex;
  /** undefined = nobody can tell which there are. */
  readonly envoyFilters: readonly Stored<EnvoyFilter>[] | undefined;
  readonly virtualServices: readonly Stored<VirtualService>[];
  readonly destinationRules: readonly Stored<DestinationRule>[];
  /** Names only. */
  readonly services: readonly KubeObject[];
  /** What the dubbo-controller last told a VirtualService that it refused, by the key of that. */
  readonly refusals: ReadonlyMap<string, string>;
  /** What there was no right to see, in words. */
  readonly unseen: readonly string[];
}

interface Event extends KubeObject {
  readonly message?: unknown;
  readonly involvedObject?: unknown;
  readonly lastTimestamp?: unknown;
}

/** Lists them all. @throws KubeError, also where neither hubs nor ServiceEntries may be listed. */
export async function readObjects({ client, namespace, config }: Access): Promise<Objects> {
  const own = [namespace];
  const hubs = await listSeen<Stored<RegistryHub>>(client, resources.registryHubs, own, {
    transform: withoutManagedFields,
  });
  const targets = [...own, ...hubs.objects.map(targetOf)];
  const [serviceEntries, filters, virtualServices, destinationRules, services, events] = await Promise.all([
    listSeen<Stored<ServiceEntry>>(client, resources.serviceEntries, targets, {
      transform: (object) => withOwnWritesOnly(object, sharing),
    }),
    listSeen<Stored<EnvoyFilter>>(client, resources.envoyFilters, [config.rootNamespace, ...targets]),
    listSeen<Stored<VirtualService>>(client, resources.virtualServices, targets),
    listSeen<Stored<DestinationRule>>(client, resources.destinationRules, targets),
    listSeen<KubeObject>(client, resources.services, targets, { transform: nameOnly }),
    listSeen<Event>(client, resources.events, targets, { fieldSelector: "reason=RuleRefused" }),
  ]);
  for (const { unseen = "", isNoneSeen } of [hubs, serviceEntries])
    if (isNoneSeen) throw new KubeError({ status: 403, reason: "Forbidden", text: unseen });
  const byKey = new Map(serviceEntries.objects.map((object) => [objectKey(object), object]));
  const entries = new EntryIndex(byKey);
  for (const key of byKey.keys()) entries.update(key);
  const lists: readonly Seen<unknown>[] = [
    hubs,
    serviceEntries,
    filters,
    virtualServices,
    destinationRules,
    services,
    events,
  ];
  return {
    hubs: hubs.objects,
    serviceEntries: byKey,
    entries,
    envoyFilters: filters.isNoneSeen ? undefined : filters.objects,
    virtualServices: virtualServices.objects,
    destinationRules: destinationRules.objects,
    services: services.objects,
    refusals: refusalsIn(events.objects),
    unseen: lists.flatMap(({ unseen }) => unseen ?? []),
  };
}

/** The newest Event for each VirtualService; the operator's own words. */
function refusalsIn(events: readonly Event[]): ReadonlyMap<string, string> {
  const timeOf = ({ lastTimestamp }: Event): string => textOf(lastTimestamp) ?? "";
  const oldestFirst = events.toSorted((one, other) => (timeOf(one) < timeOf(other) ? -1 : 1));
  return new Map(
    oldestFirst.map(({ involvedObject, message }) => {
      const { namespace, name } = fieldsOf(involvedObject);
      return [`${textOf(namespace) ?? ""}/${textOf(name) ?? ""}`, textOf(message) ?? ""];
    }),
  );
}
