import type { EnvoyFilter } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { DubboRule } from "../../translate/dubbo-rules.ts";
import {
  type DubboRoute,
  type Followed,
  outboundFilter,
  type RulesInForce,
  rulesFilter,
} from "../../translate/envoy-filter.ts";
import { hash } from "../../translate/names.ts";
import { filterFactsOf, followedOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import { namespaceOf } from "./known-filters.ts";

/** What a service's calls follow in a namespace of its filters. */
export interface Ruling {
  /** [] = they go to all endpoints. */
  readonly rules: readonly DubboRule[];
  readonly inForce: RulesInForce;
  readonly followed: Followed;
}

/** The outbound filters of one service in one namespace. */
export class FiltersIn {
  /** The listener there refers to rules, or there are rules for it to refer to. */
  readonly #hasBegun: boolean;
  readonly #namespace: string;
  readonly #rootNamespace: string;
  /** What connections may follow. */
  readonly followed: Followed;

  /** @param own the filters of the service in all namespaces. */
  constructor(namespace: string, rootNamespace: string, own: readonly Stored<EnvoyFilter>[]) {
    this.#namespace = namespace;
    this.#rootNamespace = rootNamespace;
    const isHere = (one: Stored<EnvoyFilter>): boolean => namespaceOf(one) === namespace;
    const factsOf = (filters: readonly Stored<EnvoyFilter>[]) => ({
      rules: filters.find((one) => filterFactsOf(one).slot === rulesSlot),
      named: filters.map((one) => filterFactsOf(one).named).find((one) => one !== undefined),
    });
    const here = factsOf(own.filter(isHere));
    this.#hasBegun = here.rules !== undefined || here.named !== undefined;
    // What moves here from another namespace goes on as it was, because the same proxies may see it.
    const { rules, named } = own.some(isHere) ? here : factsOf(own);
    this.followed = {
      subsets: [],
      listener: named ?? { applyNow: "", vanished: "" },
      ...(rules && followedOf(rules)),
    };
  }

  /**
   * What they may follow once the rules name these subsets. If one that they may follow is gone, the listener changes: Istio
   * takes its cluster away, so that its calls would fail for as long as they are connected.
   * @param applyNow as in NamedConfig; undefined = what it is.
   */
  followedNext(
    subsets: ReadonlySet<string>,
    isGone: (subset: string) => boolean,
    applyNow: string | undefined,
  ): Followed {
    const { subsets: before, listener } = this.followed;
    const vanished = before.some(isGone) ? hash([listener.vanished, ...before].join()) : listener.vanished;
    const next = { applyNow: applyNow ?? listener.applyNow, vanished };
    const isSame = next.applyNow === listener.applyNow && vanished === listener.vanished;
    return { subsets: [...new Set([...(isSame ? before : []), ...subsets])].sort(), listener: next };
  }

  /**
   * Those that it should have, that with the rules first. A listener that has begun to refer to rules goes on with it, because a
   * change back would cost connections. @param mayBegin without rules, or the right to new filters, none begins to.
   */
  filtersFor(
    route: DubboRoute,
    { rules, inForce, followed }: Ruling,
    mayBegin: boolean,
  ): readonly EnvoyFilter[] {
    const [namespace, root] = [this.#namespace, this.#rootNamespace];
    if (!this.#hasBegun && (rules.length === 0 || !mayBegin)) return [outboundFilter(route, namespace, root)];
    return [
      rulesFilter(route, rules, inForce, followed, namespace, root),
      outboundFilter(route, namespace, root, followed.listener),
    ];
  }

  /** That of the listener, as it should be with the rules that are stored: those that the API server refuses do not change it. */
  listenerFilter(route: DubboRoute): EnvoyFilter {
    const named = this.#hasBegun ? this.followed.listener : undefined;
    return outboundFilter(route, this.#namespace, this.#rootNamespace, named);
  }
}
