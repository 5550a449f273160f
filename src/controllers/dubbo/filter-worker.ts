import type { KubeError } from "../../kube/errors.ts";
import type { ObjectStore } from "../../kube/reflector.ts";
import { objectKey } from "../../kube/resources.ts";
import type { Instant, Ms } from "../../model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { keepsVip, type VipHolder } from "../../plan/vip.ts";
import { type RouteRules, type RouteVerdict, routeOf } from "../../translate/dubbo-route.ts";
import { type DubboRoute, inboundFilter, outboundFilter, portFilter } from "../../translate/envoy-filter.ts";
import { filterFactsOf } from "../../translate/read-back/envoy-filter.ts";
import { ownershipOf } from "../../translate/read-back/service-entry.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import type { Tools } from "../writes/object-writer.ts";
import type { Outcome } from "../writes/queue.ts";
import { isWatched } from "../writes/target-namespace.ts";
import { FilterRights, type RightsContext, type Withheld } from "./filter-rights.ts";
import { FilterRules, type RulesDecision } from "./filter-rules.ts";
import {
  FilterScope,
  isSameScope,
  type NamespacesView,
  nowhere,
  refusedMs,
  type Scope,
} from "./filter-scope.ts";
import { FilterWriter } from "./filter-writer.ts";
import { FiltersIn } from "./filters-in.ts";
import { KnownFilters, namespaceOf, portKey, portOf } from "./known-filters.ts";
import { type EjectionRules, PortEjection } from "./port-ejection.ts";
import type { RulesView } from "./rule-lists.ts";

/**
 * If somebody deletes an entry, it comes back at once. Its filters stay meanwhile, because a delete would cost
 * connections.
 */
export const filterRemovalDelayMs = 1_000;
/** How long a port's filter outside the root namespace waits for its first route. */
const unroutedMs = 60_000;

/** New filters are allowed on `dubboPorts`. */
export interface FilterWorkerOptions extends EjectionRules {
  readonly rootNamespace: string;
  /** [] = all. */
  readonly watchNamespaces: readonly string[];
  readonly inboundFilters: boolean;
}

/** What the worker needs from the controller. */
export interface FilterContext extends RightsContext {
  readonly serviceEntries: ObjectStore<Stored<ServiceEntry>>;
  readonly filters: ObjectStore<Stored<EnvoyFilter>>;
  readonly entries: EntryIndex;
  /** As in RouteRules. */
  readonly foreign: boolean;
  accepts(vip: string): boolean;
  /** Whether the lists of ServiceEntries and filters are complete; the worker decides nothing before. */
  isReady(): boolean;
  readonly namespaces: NamespacesView;
  /** undefined = no service has rules. */
  readonly ruleLists: RulesView | undefined;
  /** Called when the API server refuses a write for a reason that only a person can fix. */
  refused(error: KubeError): void;
  /** Has the worker work on these keys, too. */
  queue(keys: Iterable<string>): void;
  /** Called with a reason why filters are in the root namespace, and not where their entries are seen. */
  keptInRoot(why: string): void;
}

/** Reconciles the filters of one ServiceEntry, or of one port, at a time. */
export class FilterWorker {
  readonly rights: FilterRights;
  readonly scope: FilterScope;
  readonly rules: FilterRules;
  readonly #context: FilterContext;
  readonly #options: FilterWorkerOptions;
  readonly #tools: Tools;
  readonly #writer: FilterWriter;
  readonly #routeRules: RouteRules;
  readonly #ejection: PortEjection;
  readonly #known: KnownFilters;
  /** When the worker first saw that the entry of a filter was gone. */
  readonly #goneAt = new Map<string, Instant>();

  constructor(context: FilterContext, options: FilterWorkerOptions, tools: Tools) {
    this.#context = context;
    this.#options = options;
    this.#tools = tools;
    this.#known = new KnownFilters(options.rootNamespace);
    this.rights = new FilterRights(context, options.dubboPorts);
    this.scope = new FilterScope(options.rootNamespace, context.namespaces, tools.deps.clock, (why) =>
      context.keptInRoot(why),
    );
    const lists = context.ruleLists;
    const filtersOf = (entry: string): readonly Stored<EnvoyFilter>[] => this.#ownedBy(entry);
    this.rules = new FilterRules({ rootNamespace: options.rootNamespace, lists, filtersOf }, tools);
    this.#routeRules = {
      foreign: context.foreign,
      accepts: (vip) => context.accepts(vip),
      isCopy: (object) => context.entries.isCopy(objectKey(object)),
      isTaken: (vip, object) => this.#isTaken(vip, object),
    };
    const entries = (): Iterable<string> => context.serviceEntries.objects.keys();
    this.#ejection = new PortEjection(options, entries, (key) => this.#countedRouteOf(key), tools.deps.clock);
    const { rootNamespace } = options;
    const { filters } = context;
    const refused = (error: KubeError): void => context.refused(error);
    this.#writer = new FilterWriter(
      { rootNamespace, filters, known: this.#known, scope: this.scope, refused },
      tools,
    );
  }

  /** Records that a filter appeared, changed or went. Returns the queue keys of its owners, old and new. */
  take(key: string): readonly string[] {
    const filter = this.#context.filters.objects.get(key);
    const owners = this.#known.take(key, filter);
    if (filter === undefined || !this.#known.isOurs(filter)) return owners;
    const { serviceEntry, slot } = filterFactsOf(filter);
    if (serviceEntry !== undefined && slot !== undefined)
      this.rights.saw(serviceEntry, namespaceOf(filter), slot);
    return owners;
  }

  /** The queue's work function. */
  async work(key: string): Promise<Outcome> {
    if (!this.#context.isReady()) return undefined; // every key is queued again once the lists are complete
    const { objects } = this.#context.serviceEntries;
    await this.#ejection.read();
    const ofPort = portOf(key);
    if (ofPort !== undefined) return this.#workPort(...ofPort);
    const object = objects.get(key);
    const verdict: RouteVerdict = object ? routeOf(object, this.#routeRules) : { verdict: "none" };
    if (verdict.verdict === "unclear") return undefined;
    const delayMs = this.#removalDelayMs(key, object);
    if (delayMs > 0) return { againInMs: delayMs };
    const route = verdict.verdict === "route" ? verdict.route : undefined;
    for (const port of this.#ejection.saw(key, route && this.#counts(route) ? route : undefined)) {
      if (this.#ejection.isOn(port) === undefined) continue; // nothing routes it any more
      this.#context.queue(this.#known.namespacesOfPort(port).map((namespace) => portKey(namespace, port)));
    }
    if (!isWatched(splitKey(key)[0], this.#options)) return undefined;
    const scope = route ? this.#scopeOf(route) : nowhere;
    if (scope === undefined) return undefined; // the key is queued again once that is known
    const withheld = route && this.#objection(route);
    const isOurs = object !== undefined && ownershipOf(object) === "ours";
    const rules = route && this.rules.of(route, isOurs, this.#placesOf(route, scope, withheld));
    if (route && rules === undefined) return undefined;
    const desired = rules ? this.#filtersFor(route, rules, withheld === undefined) : [];
    const allowed = desired.filter((filter) => withheld === undefined || this.#isOld(key, filter, withheld));
    const refused = desired.filter((filter) => !allowed.includes(filter));
    this.rights.record(key, refused.length > 0 ? withheld : undefined);
    this.scope.record(key, allowed.length > 0 ? scope.keptInRoot : undefined);
    const hasMoved = (): boolean => route !== undefined && !isSameScope(scope, this.#scopeOf(route));
    const ensured = await this.#ensureAll(allowed, route, hasMoved);
    if (hasMoved()) return { againInMs: 0 };
    if (ensured !== undefined) return ensured;
    // What has a new place or a new name is written before the old one goes.
    if (refused.length > 0 && withheld === "HubsUnknown") return undefined;
    if (verdict.verdict === "none") this.rights.forget(key);
    const removed = await this.#removeOthers(key, desired, refused);
    if (rules) await this.rules.lookAtSubsets(route, rules, object?.metadata.resourceVersion);
    else this.rules.forget(key);
    const { againInMs } = scope;
    return removed ?? (againInMs === undefined ? undefined : { againInMs });
  }

  /**
   * The port's filter comes first: without it the first route would hang on large answers. One that cannot be written holds
   * up none in another namespace, unless all have moved to another place because of it.
   */
  async #ensureAll(
    filters: readonly EnvoyFilter[],
    route: DubboRoute | undefined,
    hasMoved: () => boolean,
  ): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    for (const filter of filters) {
      if (hasMoved()) break;
      const { routedPort } = filterFactsOf(filter);
      const port = routedPort === undefined ? undefined : this.#portFilter(namespaceOf(filter), routedPort);
      const failed = port && (await this.#writer.ensure(port));
      outcomes.push(failed ?? (await this.#writer.ensure(this.#asStored(filter, route))));
    }
    return mostUrgent(outcomes);
  }

  /** Those of the entry that are not desired. What is refused in a new place stays in the old one. */
  async #removeOthers(
    key: string,
    desired: readonly EnvoyFilter[],
    refused: readonly EnvoyFilter[],
  ): Promise<Outcome> {
    const kept = new Set(desired.map(objectKey));
    const slots = new Set(refused.map((filter) => filterFactsOf(filter).slot));
    for (const filter of this.#ownedBy(key)) {
      const isKept = kept.has(objectKey(filter)) || slots.has(filterFactsOf(filter).slot);
      if (isKept || !this.scope.mayRemoveFrom(namespaceOf(filter))) continue;
      const outcome = await this.#writer.remove(filter);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  #scopeOf(route: DubboRoute): Scope | undefined {
    return this.scope.of(route, this.#known.namespacesOf(route));
  }

  /** An entry that gets no filter in a new place keeps those that it has where they are, and they are repaired there. */
  #placesOf(route: DubboRoute, { namespaces }: Scope, withheld: Withheld | undefined): readonly string[] {
    if (withheld === undefined) return namespaces;
    const { serviceEntry } = route;
    const isOld = (namespace: string): boolean =>
      this.#isOld(serviceEntry, outboundFilter(route, namespace, this.#options.rootNamespace), withheld);
    if (namespaces.length > 0 && namespaces.every(isOld)) return namespaces;
    return [...new Set([...namespaces, ...this.rights.namespacesOf(serviceEntry).filter(isOld)])];
  }

  #objection({ serviceEntry, port }: DubboRoute): Withheld | undefined {
    const object = this.#context.serviceEntries.objects.get(serviceEntry);
    return this.rights.objection(serviceEntry, port, object !== undefined && ownershipOf(object) !== "ours");
  }

  /**
   * Whether the entry has, or has had, a filter for the same side and port, under whatever name and content; or the old
   * product made it, where nothing but the port is in the way.
   */
  #isOld(entry: string, filter: EnvoyFilter, withheld: Withheld): boolean {
    const { slot = "" } = filterFactsOf(filter);
    const actual = this.#context.filters.objects.get(objectKey(filter));
    if (this.rights.has(entry, namespaceOf(filter), slot)) return true;
    if (actual === undefined) return false;
    if (this.#known.isOurs(actual)) return filterFactsOf(actual).serviceEntry === entry;
    return withheld === "PortNotAllowed" && this.#writer.isToBeWritten(actual, filter);
  }

  /**
   * Whether the address is another ServiceEntry's. No stranger's takes it from one of ours; of several of ours the one
   * that has the filter keeps it.
   */
  #isTaken(vip: string, object: Stored<ServiceEntry>): boolean {
    const own = objectKey(object);
    const { entries, serviceEntries, knowsHubs, targetOf } = this.#context;
    const isOurs = (one: Stored<ServiceEntry>): boolean =>
      knowsHubs() ? entries.isOfHub(objectKey(one), targetOf) : ownershipOf(one) === "ours";
    const rank = (one: Stored<ServiceEntry>): number => (isOurs(one) ? 0 : 1);
    return [...entries.othersAt(vip, own)].some((key) => {
      const other = serviceEntries.objects.get(key);
      if (other === undefined) return false;
      if (rank(other) !== rank(object)) return rank(other) < rank(object);
      return keepsVip(this.#holderOf(vip, key, other), this.#holderOf(vip, own, object));
    });
  }

  #holderOf(vip: string, key: string, { metadata }: Stored<ServiceEntry>): VipHolder {
    const isIncumbent = this.#known.routes(key, vip);
    return { isIncumbent, createdAt: metadata.creationTimestamp ?? "", key };
  }

  #removalDelayMs(key: string, object: Stored<ServiceEntry> | undefined): Ms {
    if (object !== undefined || !this.#known.has(key)) {
      this.#goneAt.delete(key);
      return 0;
    }
    const now = this.#tools.deps.clock.monotonic();
    const goneAt = this.#goneAt.get(key) ?? now;
    this.#goneAt.set(key, goneAt);
    return Math.max(0, goneAt + filterRemovalDelayMs - now);
  }

  /** The filters of a route, without those of its port. Whose pods an inbound filter is for, no entry tells. */
  #filtersFor(route: DubboRoute, rulings: RulesDecision, mayBegin: boolean): readonly EnvoyFilter[] {
    const { rootNamespace, inboundFilters } = this.#options;
    const outbound = [...rulings].flatMap(([namespace, ruling]) =>
      this.#filtersIn(namespace, route).filtersFor(route, ruling, mayBegin),
    );
    return inboundFilters ? [...outbound, inboundFilter(route, rootNamespace)] : outbound;
  }

  /** A listener follows the rules that are stored: those that the API server refuses do not change it. */
  #asStored(filter: EnvoyFilter, route: DubboRoute | undefined): EnvoyFilter {
    const isNamed = filterFactsOf(filter).named !== undefined;
    return route && isNamed ? this.#filtersIn(namespaceOf(filter), route).listenerFilter(route) : filter;
  }

  #filtersIn(namespace: string, { serviceEntry }: DubboRoute): FiltersIn {
    return new FiltersIn(namespace, this.#options.rootNamespace, this.#ownedBy(serviceEntry));
  }

  #countedRouteOf(key: string): DubboRoute | undefined {
    const object = this.#context.serviceEntries.objects.get(key);
    const verdict = object && routeOf(object, this.#routeRules);
    return verdict?.verdict === "route" && this.#counts(verdict.route) ? verdict.route : undefined;
  }

  #portFilter(namespace: string, port: number): EnvoyFilter {
    const isOn = this.#ejection.isOn(port);
    const { rootNamespace } = this.#options;
    const desired = portFilter(port, isOn ?? true, namespace, rootNamespace);
    const actual = this.#context.filters.objects.get(objectKey(desired));
    if (actual === undefined || isOn !== undefined) return desired;
    return portFilter(port, filterFactsOf(actual).ejects, namespace, rootNamespace); // entries that are unclear change nothing
  }

  /** Whether the entry has a filter or may have one: nobody else has a say about a port. */
  #counts(route: DubboRoute): boolean {
    const withheld = this.#objection(route);
    if (withheld === undefined) return true;
    const { rootNamespace } = this.#options;
    // Whoever cannot list hubs knows no better; else what others may write outside the root namespace is no say.
    const elsewhere = withheld === "HubsUnknown" ? [...this.#known.namespacesOf(route)] : [];
    return [rootNamespace, ...elsewhere].some((namespace) =>
      this.#isOld(route.serviceEntry, outboundFilter(route, namespace, rootNamespace), withheld),
    );
  }

  async #workPort(namespace: string, port: number): Promise<Outcome> {
    const desired = this.#portFilter(namespace, port);
    if (this.#known.isRouted(namespace, port)) return this.#writer.ensure(desired);
    if (this.#isPortWanted(namespace, port)) {
      // Elsewhere it may come to nothing, and then no route goes that would ask for this port again.
      const isInRoot = namespace === this.#options.rootNamespace;
      return isInRoot ? this.#writer.ensure(desired) : { againInMs: unroutedMs };
    }
    if (!this.#context.knowsHubs()) return undefined;
    const actual = this.#context.filters.objects.get(objectKey(desired));
    return actual && this.#known.isOurs(actual) ? this.#writer.remove(actual) : undefined;
  }

  /** Whether an entry may be about to get a filter in the namespace that routes the port. */
  #isPortWanted(namespace: string, port: number): boolean {
    for (const key of this.#context.serviceEntries.objects.keys()) {
      const route = this.#countedRouteOf(key);
      if (route?.port !== port) continue;
      const possible = [this.#options.rootNamespace, ...(route.namespaces ?? [])];
      if ((this.#scopeOf(route)?.namespaces ?? possible).includes(namespace)) return true;
    }
    return false;
  }

  /** Those of the root namespace first. */
  #ownedBy(key: string): readonly Stored<EnvoyFilter>[] {
    const filters = this.#known.of(key).flatMap((one) => this.#context.filters.objects.get(one) ?? []);
    if (filters.length < 2) return filters; // as nearly always
    const rank = (one: Stored<EnvoyFilter>): number =>
      namespaceOf(one) === this.#options.rootNamespace ? 0 : 1;
    return filters.toSorted((one, other) => rank(one) - rank(other));
  }
}

/** What has to be seen to first: a failure that may pass, or the earliest time. */
function mostUrgent(outcomes: readonly Outcome[]): Outcome {
  const open = outcomes.filter((outcome) => outcome !== undefined);
  const inMs = (outcome: NonNullable<Outcome>): number => {
    if ("failed" in outcome) return outcome.refused ? refusedMs : 0;
    return outcome.againInMs;
  };
  return open.toSorted((one, other) => inMs(one) - inMs(other))[0];
}
