import { resources } from "../../kube/resources.ts";
import { registryTypes } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { countOf, fieldsOf, objectKeyOf, textOf } from "../../translate/read-back/json.ts";
import { targetOf, withoutEndpoints, withoutManagedFields } from "../../translate/read-back/kept.ts";
import { entryOf } from "../../translate/read-back/service-entry.ts";
import type { Access } from "../access.ts";
import { listSeen } from "../list-all.ts";
import { isWanted, type Told, type Wanted } from "./told.ts";

interface Event extends KubeObject {
  readonly involvedObject?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly count?: unknown;
  readonly lastTimestamp?: unknown;
}

/** What the cluster's Events tell, and what there was no right to see, in words. */
export interface EventsSeen {
  /** The newest last. */
  readonly told: readonly Told[];
  readonly unseen: readonly string[];
}

/** Reads the Events of hubs and of their entries that the hub-controller has written. @throws KubeError when there is no answer. */
export async function readEvents({ client, namespace }: Access, wanted: Wanted): Promise<EventsSeen> {
  const own = [wanted.hub?.split("/")[0] ?? namespace];
  const hubs = await listSeen<Stored<RegistryHub>>(client, resources.registryHubs, own, {
    transform: withoutManagedFields,
  });
  const places = [...own, ...hubs.objects.map(targetOf)];
  const [events, entries] = await Promise.all([
    listSeen<Event>(client, resources.events, places, {
      fieldSelector: `source=${fieldManagers.registryhub}`,
      transform: withoutManagedFields,
    }),
    listSeen<Stored<ServiceEntry>>(client, resources.serviceEntries, places, { transform: withoutEndpoints }),
  ]);
  const told = toldBy(events.objects, entries.objects, hubs.objects);
  const unseen = [events, entries, hubs].flatMap((one) => one.unseen ?? []);
  return { told: told.filter((one) => isWanted(one, wanted)), unseen };
}

/** The Events in order of time. An entry that is gone tells neither its host nor its hubs. */
function toldBy(
  events: readonly Event[],
  entries: readonly Stored<ServiceEntry>[],
  hubs: readonly Stored<RegistryHub>[],
): readonly Told[] {
  const byKey = new Map(entries.map((object) => [objectKeyOf(object), entryOf(object)]));
  const typeOf = new Map(hubs.map((object) => [objectKeyOf(object), textOf(fieldsOf(object.spec).type)]));
  const registryOf = (hub: string): Told["registry"] =>
    registryTypes.find((type) => type === typeOf.get(hub)) ?? "";
  const told = events.flatMap(
    ({ involvedObject, reason, message, count, lastTimestamp }): readonly Told[] => {
      const { kind, namespace, name } = fieldsOf(involvedObject);
      const key = `${textOf(namespace) ?? ""}/${textOf(name) ?? ""}`;
      const times = countOf(count) ?? 1;
      const said = {
        at: textOf(lastTimestamp) ?? "",
        endpoint: "",
        what: textOf(reason) ?? "",
        why: `${textOf(message) ?? ""}${times > 1 ? ` (${times} times)` : ""}`,
      };
      if (kind === "RegistryHub") return [{ ...said, hub: key, registry: registryOf(key), host: "" }];
      if (kind !== "ServiceEntry") return [];
      const entry = byKey.get(key);
      const [hub = "", ...others] = [...(entry?.hubs.values() ?? [])].filter((one) => one !== "");
      const whose = { hub, ...(others.length > 0 && { others }) };
      return [{ ...said, ...whose, registry: registryOf(hub), host: entry?.host ?? key }];
    },
  );
  return told.toSorted((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
}
