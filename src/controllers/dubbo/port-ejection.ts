import { isPortAllowed, type PortRules } from "../../model/port-rules.ts";
import type { DubboRoute } from "../../translate/envoy-filter.ts";

/** The route of an entry, if it has one. */
export type RouteLookup = (entry: string) => DubboRoute | undefined;

export interface EjectionRules {
  /** false = nowhere. */
  readonly outlierDetection: boolean;
  /** On other ports somebody else may be at home, and his clusters are none of the operator's business. */
  readonly dubboPorts: PortRules;
}

/**
 * On which ports proxies eject endpoints that cannot be reached: all that have a route whose hubs do not say no. It keeps
 * one such route of each port, so that an entry has to look at all others only when that one is gone.
 */
export class PortEjection {
  readonly #rules: EjectionRules;
  readonly #entries: () => Iterable<string>;
  readonly #routeOf: RouteLookup;
  /** By port, the entry of a route that wants it; "" = none does. */
  readonly #wanting = new Map<number, string>();

  /** @param entries the keys of all entries. */
  constructor(rules: EjectionRules, entries: () => Iterable<string>, routeOf: RouteLookup) {
    this.#rules = rules;
    this.#entries = entries;
    this.#routeOf = routeOf;
  }

  /** Records the route that an entry has now. */
  saw({ serviceEntry, port, outlierDetection }: DubboRoute): void {
    if (outlierDetection) this.#wanting.set(port, serviceEntry);
  }

  isOn(port: number): boolean {
    if (!this.#rules.outlierDetection || !isPortAllowed(port, this.#rules.dubboPorts)) return false;
    const known = this.#wanting.get(port);
    if (known === "") return false;
    if (known !== undefined && this.#wants(known, port)) return true;
    const found = this.#find(port);
    if (found === undefined) this.#wanting.delete(port);
    else this.#wanting.set(port, found);
    return found !== "";
  }

  /** The entry of a route that wants it, "" if routes say no and none wants it, undefined if there is no route. */
  #find(port: number): string | undefined {
    let found: string | undefined;
    for (const entry of this.#entries()) {
      const route = this.#routeOf(entry);
      if (route?.port !== port) continue;
      if (route.outlierDetection) return entry;
      found = "";
    }
    return found;
  }

  #wants(entry: string, port: number): boolean {
    const route = this.#routeOf(entry);
    return route?.port === port && route.outlierDetection;
  }
}
