import { isIP } from "node:net";
import type { ServiceEntry } from "../model/istio.ts";
import type { Stored } from "../model/kubernetes.ts";
import { dubboPortName } from "../model/labels.ts";
import type { DubboRoute } from "./envoy-filter.ts";
import { exportedTo } from "./read-back/export-to.ts";
import { isPortOfOurs, type RouteFacts, routeFactsOf } from "./read-back/service-entry.ts";

/** What decides whether a ServiceEntry gets an EnvoyFilter. */
export interface RouteRules {
  /** Whether entries that others label `manager: aeraki` count. */
  readonly foreign: boolean;
  /** Whether the operator accepts an address of its own entry. */
  accepts(vip: string): boolean;
  /** Whether another object is the entry of its host. */
  isCopy(object: Stored<ServiceEntry>): boolean;
  /** Whether the address is another ServiceEntry's. */
  isTaken(vip: string, object: Stored<ServiceEntry>): boolean;
}

/**
 * `route` = the entry speaks Dubbo and gets filters. `none` = the entry says that it has no filters, so existing ones
 * go. `unclear` = the entry decides nothing and existing filters stay; a filter is deleted only after its entry is
 * gone or says `none`.
 */
export type RouteVerdict =
  | { readonly verdict: "route"; readonly route: DubboRoute }
  | { readonly verdict: "none" | "unclear" };

/** Reads the Dubbo route of a ServiceEntry. */
export function routeOf(object: Stored<ServiceEntry>, rules: RouteRules): RouteVerdict {
  const facts = routeFactsOf(object);
  if (rules.isCopy(object)) return { verdict: "unclear" };
  if (!facts.l7) return { verdict: "none" };
  const port = facts.ports.find((one) => one.name === dubboPortName);
  // Our entry gets another known port name once its service speaks another protocol. If somebody renamed the port,
  // the hub controller is about to repair it.
  if (port === undefined)
    return { verdict: facts.ports.some((one) => isPortOfOurs(one.name)) ? "none" : "unclear" };
  const { host, interface: iface, addresses } = facts;
  const [vip, ...others] = addresses;
  const namespaces = exportedTo(object);
  if (host === undefined || vip === undefined || iface === undefined) return { verdict: "unclear" };
  // If the address is another entry's, a label must not suffice to take its listener.
  const isAlone = others.length === 0 && !rules.isTaken(vip, object);
  if (!isAlone || !isLegal(host, iface, facts.ownership) || !mayRoute(facts, vip, rules))
    return { verdict: "unclear" };
  return {
    verdict: "route",
    route: {
      serviceEntry: facts.key,
      host,
      vip,
      port: port.number,
      interface: iface,
      outlierDetection: facts.outlierDetection,
      ...(namespaces && { namespaces }),
    },
  };
}

/**
 * Whether host and interface can be parts of the filter, and the host a part of its name. Envoy compares interfaces
 * exactly, so of ours anything goes that is no wildcard: a provider may have given its service a path. What a stranger
 * writes has to look like an interface.
 */
function isLegal(host: string, iface: string, ownership: RouteFacts["ownership"]): boolean {
  const isInterface = ownership === "ours" ? /^[^*\s\p{C}]+$/u : /^[\p{L}_$][\p{L}\p{N}_$.]*$/u;
  return /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(host) && isInterface.test(iface);
}

/**
 * A filter in the root namespace changes every proxy, so the right to write a ServiceEntry must not grant that power.
 */
function mayRoute({ ownership, isMarked }: RouteFacts, vip: string, rules: RouteRules): boolean {
  if (ownership === "ours") return rules.accepts(vip);
  return rules.foreign && isMarked && isIP(vip) === 4;
}
