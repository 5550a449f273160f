import { FilterRights } from "../../controllers/dubbo/filter-rights.ts";
import { mayKeepVip, type VipContext } from "../../controllers/hub/virtual-ips.ts";
import type { HostObject } from "../../controllers/writes/entry-index.ts";
import { objectKey } from "../../kube/resources.ts";
import type { PortRules } from "../../model/port-rules.ts";
import { routeOf } from "../../translate/dubbo-route.ts";
import { filterFactsOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import type { Trouble } from "../status/hub-report.ts";
import type { Objects } from "./objects.ts";

/** An EnvoyFilter of the operator that acts on calls of the host. */
export interface FilterReport {
  readonly namespace: string;
  readonly name: string;
  /** calls = each call is balanced; port = the buffer, time-outs and ejection of the port; rules = of a VirtualService. */
  readonly does: "calls" | "rules" | "inbound" | "port";
}

/** The filters of a host's entry, those that balance its calls first. */
export function filtersOf(
  { object, entry }: HostObject,
  { envoyFilters = [] }: Objects,
): readonly FilterReport[] {
  const own = envoyFilters.flatMap((filter): readonly FilterReport[] => {
    const { isOurs, serviceEntry, slot } = filterFactsOf(filter);
    if (!isOurs || serviceEntry !== objectKey(object)) return [];
    const { namespace = "", name } = filter.metadata;
    const does = slot === rulesSlot ? "rules" : slot?.startsWith("inbound") ? "inbound" : "calls";
    return [{ namespace, name, does }];
  });
  const places = new Set(own.map(({ namespace }) => namespace));
  const ofPort = envoyFilters.flatMap((filter): readonly FilterReport[] => {
    const { isOurs, ofPort: port } = filterFactsOf(filter);
    const { namespace = "", name } = filter.metadata;
    const isOf = isOurs && port !== undefined && port === entry?.shape.port && places.has(namespace);
    return isOf ? [{ namespace, name, does: "port" }] : [];
  });
  const order = (one: FilterReport): string => `${one.does} ${one.namespace} ${one.name}`;
  return [...own, ...ofPort].toSorted((one, other) => (order(one) < order(other) ? -1 : 1));
}

/**
 * Why a Dubbo service has no filter for its calls, judged as the dubbo-controller does; undefined = it wants none, or nobody can
 * tell which filters there are.
 */
export function lacksFilter(
  found: HostObject,
  filters: readonly FilterReport[],
  objects: Objects,
  context: VipContext & { readonly dubboPorts: PortRules; readonly rootNamespace: string },
): Trouble | undefined {
  const { object, entry } = found;
  if (objects.envoyFilters === undefined || filters.some(({ does }) => does === "calls")) return undefined;
  if (entry?.shape.protocol !== "dubbo" || !entry.ours) return undefined;
  const { entries, pool, targetOf, dubboPorts, rootNamespace } = context;
  const { verdict } = routeOf(object, {
    foreign: false,
    accepts: (vip) => pool.accepts(vip),
    isCopy: (one) => entries.isCopy(objectKey(one)),
    isTaken: () => !mayKeepVip(context, found),
  });
  if (verdict === "none") return undefined;
  if (verdict === "unclear")
    return {
      cause: `the virtual IP ${entry.vip || "(none)"}, the port or the interface of ServiceEntry ${objectKey(object)} is not as the operator writes it`,
      fix: "Wait some seconds, in which the operator repairs it; if it stays so, read the log of the hub-controller.",
    };
  const rights = new FilterRights({ entries, targetOf, knowsHubs: () => true }, dubboPorts);
  switch (rights.objection(objectKey(object), entry.shape.port, false)) {
    case "NoHub":
      return {
        cause:
          "no RegistryHub that exists and has this namespace as spec.generate_to stands behind the entry",
        fix: "Create the hub again, or delete the entry.",
      };
    case "PortNotAllowed":
      return {
        cause: `port ${entry.shape.port} is not one of --dubbo-ports (PortNotAllowed), so the service gets no EnvoyFilter`,
        fix: "Use another port, have the operator's --dubbo-ports allow this one, or set spec.l7: false in the hub.",
      };
    case "HubsUnknown": // they have been listed
    case undefined:
      return {
        cause: `the dubbo-controller has not written the EnvoyFilter of ServiceEntry ${objectKey(object)}`,
        fix: `Check that it runs, and its Events: kubectl get events -n default --field-selector involvedObject.name=${rootNamespace}`,
      };
  }
}
