import { isIP } from "node:net";
import type { ServiceEntry } from "../model/istio.ts";
import { annotations, dubboPortName, labels } from "../model/labels.ts";
import type { DubboRoute } from "./envoy-filter.ts";
import { isPortOfOurs, ownershipOf } from "./service-entry.ts";

/** What decides whether a ServiceEntry gets an EnvoyFilter. */
export interface RouteRules {
  /** Whether entries that others label `manager: aeraki` count. */
  readonly foreign: boolean;
  /** Whether the operator accepts an address of its own entry. */
  accepts(vip: string): boolean;
  /** Whether an older ServiceEntry also uses the address. */
  hasElder(vip: string, object: ServiceEntry): boolean;
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
export function routeOf(object: ServiceEntry, rules: RouteRules): RouteVerdict {
  const { metadata, spec } = object;
  const notes = metadata.annotations ?? {};
  const port = spec.ports?.find((one) => one.name === dubboPortName);
  if (notes[annotations.l7] === "false") return { verdict: "none" };
  // Our entry gets another known port name once its service speaks another protocol. If somebody renamed the port,
  // the hub controller is about to repair it.
  if (port === undefined)
    return { verdict: spec.ports?.some((one) => isPortOfOurs(one.name)) ? "none" : "unclear" };
  const [host, vip, iface] = [spec.hosts?.[0], spec.addresses?.[0], notes[annotations.interface]];
  if (host === undefined || vip === undefined || iface === undefined) return { verdict: "unclear" };
  if (spec.addresses?.length !== 1 || !mayRoute(object, vip, iface, rules)) return { verdict: "unclear" };
  const serviceEntry = `${metadata.namespace ?? ""}/${metadata.name}`;
  return { verdict: "route", route: { serviceEntry, host, vip, port: port.number, interface: iface } };
}

/**
 * A filter in the root namespace changes every proxy, so the right to write a ServiceEntry must not grant that power.
 */
function mayRoute(object: ServiceEntry, vip: string, iface: string, rules: RouteRules): boolean {
  if (!/^[\p{L}_$][\p{L}\p{N}_$.]*$/u.test(iface)) return false;
  if (!/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(object.spec.hosts?.[0] ?? "")) return false; // the host is part of the filter's name
  if (rules.hasElder(vip, object)) return false; // otherwise a label would suffice to take another service's listener
  if (ownershipOf(object) === "ours") return rules.accepts(vip);
  const isMarked = object.metadata.labels?.[labels.manager] === "aeraki";
  return rules.foreign && isMarked && isIP(vip) === 4;
}
