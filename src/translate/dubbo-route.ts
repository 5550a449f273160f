import { isIP } from "node:net";
import type { ServiceEntry } from "../model/istio.ts";
import { annotations, dubboPortName, labels } from "../model/labels.ts";
import type { DubboRoute } from "./envoy-filter.ts";
import { isPortOfOurs, ownershipOf } from "./service-entry.ts";

/** What decides whether a ServiceEntry gets an EnvoyFilter. */
export interface RouteRules {
  /** Whether entries labelled `manager: aeraki` by somebody else count. */
  readonly foreign: boolean;
  /** Whether an address of ours is believed. */
  believes(vip: string): boolean;
  /** Whether an older ServiceEntry uses the address, too. */
  hasElder(vip: string, object: ServiceEntry): boolean;
}

/**
 * `route` = the entry speaks Dubbo and gets filters. `none` = it says that it has none, so existing ones go.
 * `unclear` = nothing follows: what exists stays, for a filter is only deleted once its entry is gone or says so.
 */
export type RouteVerdict =
  | { readonly verdict: "route"; readonly route: DubboRoute }
  | { readonly verdict: "none" | "unclear" };

/** Reads the Dubbo route out of a ServiceEntry. */
export function routeOf(object: ServiceEntry, rules: RouteRules): RouteVerdict {
  const { metadata, spec } = object;
  const notes = metadata.annotations ?? {};
  const port = spec.ports?.find((one) => one.name === dubboPortName);
  if (notes[annotations.l7] === "false") return { verdict: "none" };
  // Entries of ours have another port of a known name once their service speaks another protocol; a port that somebody
  // renamed is about to be repaired.
  if (port === undefined)
    return { verdict: spec.ports?.some((one) => isPortOfOurs(one.name)) ? "none" : "unclear" };
  const [host, vip, iface] = [spec.hosts?.[0], spec.addresses?.[0], notes[annotations.interface]];
  if (host === undefined || vip === undefined || iface === undefined) return { verdict: "unclear" };
  if (spec.addresses?.length !== 1 || !mayRoute(object, vip, iface, rules)) return { verdict: "unclear" };
  const serviceEntry = `${metadata.namespace ?? ""}/${metadata.name}`;
  return { verdict: "route", route: { serviceEntry, host, vip, port: port.number, interface: iface } };
}

/** A filter in the root namespace changes every proxy: whoever can write a ServiceEntry must not get that power. */
function mayRoute(object: ServiceEntry, vip: string, iface: string, rules: RouteRules): boolean {
  if (!/^[\p{L}_$][\p{L}\p{N}_$.]*$/u.test(iface)) return false;
  if (!/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(object.spec.hosts?.[0] ?? "")) return false; // part of the filter's name
  if (rules.hasElder(vip, object)) return false; // or a label would be enough to take another service's listener
  if (ownershipOf(object) === "ours") return rules.believes(vip);
  const isMarked = object.metadata.labels?.[labels.manager] === "aeraki";
  return rules.foreign && isMarked && isIP(vip) === 4;
}
