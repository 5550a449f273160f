import { isCovered } from "../../kube/covered.ts";
import { type KubeError, retryDelay } from "../../kube/errors.ts";
import type { ObjectStore } from "../../kube/reflector.ts";
import { objectKey, resources } from "../../kube/resources.ts";
import type { Instant, Ms } from "../../model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import { keepsVip, type VipHolder } from "../../plan/vip.ts";
import { type RouteRules, type RouteVerdict, routeOf } from "../../translate/dubbo-route.ts";
import { type DubboRoute, inboundFilter, outboundFilter, portFilter } from "../../translate/envoy-filter.ts";
import { filterFactsOf } from "../../translate/read-back/envoy-filter.ts";
import { ownershipOf } from "../../translate/read-back/service-entry.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import { ObjectWriter, type Tools } from "../writes/object-writer.ts";
import { failedBy, type Outcome } from "../writes/queue.ts";
import { isWatched } from "../writes/target-namespace.ts";
import { FilterRights, type RightsContext, type Withheld } from "./filter-rights.ts";
import { FilterScope, isSameScope, type NamespacesView, nowhere, type Scope } from "./filter-scope.ts";
import { KnownFilters, portOf } from "./known-filters.ts";
import { type EjectionRules, PortEjection } from "./port-ejection.ts";

/**
 * If somebody deletes an entry, it comes back at once. Its filters stay meanwhile, because a delete would cost
 * connections.
 */
export const filterRemovalDelayMs = 1_000;
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
  /** Called when the API server refuses a write for a reason that only a person can fix. */
  refused(error: KubeError): void;
  /** Called when filters are in the root namespace for lack of a right, and none was before. */
  keptInRoot(why: string): void;
}

/** Reconciles the filters of one ServiceEntry, or of one port, at a time. */
export class FilterWorker {
  readonly rights: FilterRights;
  readonly scope: FilterScope;
  readonly #context: FilterContext;
  readonly #options: FilterWorkerOptions;
  readonly #tools: Tools;
  readonly #writer: ObjectWriter<Stored<EnvoyFilter>>;
  readonly #rules: RouteRules;
  readonly #ejection: PortEjection;
  readonly #known = new KnownFilters();
  /** When the worker first saw that the entry of a filter was gone. */
  readonly #goneAt = new Map<string, Instant>();

  /** Filters that are compared and written at this moment. */
  readonly #underway = new Map<string, Promise<Outcome>>();

  constructor(context: FilterContext, options: FilterWorkerOptions, tools: Tools) {
    this.#context = context;
    this.#options = options;
    this.#tools = tools;
    this.rights = new FilterRights(context, options.dubboPorts);
    this.scope = new FilterScope(options.rootNamespace, context.namespaces, tools.deps.clock, (why) =>
      context.keptInRoot(why),
    );
    this.#rules = {
      foreign: context.foreign,
      accepts: (vip) => context.accepts(vip),
      isCopy: (object) => context.entries.isCopy(objectKey(object)),
      isTaken: (vip, object) => this.#isTaken(vip, object),
    };
    const entries = (): Iterable<string> => context.serviceEntries.objects.keys();
    this.#ejection = new PortEjection(options, entries, (key) => this.#countedRouteOf(key), tools.deps.clock);
    this.#writer = new ObjectWriter(context.filters, resources.envoyFilters, fieldManagers.dubbo, tools);
  }

  /** Records that a filter appeared, changed or went. Returns the queue keys of its owners, old and new. */
  take(key: string): readonly string[] {
    const filter = this.#context.filters.objects.get(key);
    const owners = this.#known.take(key, filter);
    const { isOurs, serviceEntry, slot } = filter ? filterFactsOf(filter) : {};
    if (isOurs && serviceEntry !== undefined && slot !== undefined) this.rights.saw(serviceEntry, slot);
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
    const verdict: RouteVerdict = object ? routeOf(object, this.#rules) : { verdict: "none" };
    if (verdict.verdict === "unclear") return undefined;
    const delayMs = this.#removalDelayMs(key, object);
    if (delayMs > 0) return { againInMs: delayMs };
    const route = verdict.verdict === "route" ? verdict.route : undefined;
    for (const one of this.#ejection.saw(key, route && this.#counts(route) ? route : undefined)) {
      const outcome = await this.#renewPort(one);
      if (outcome !== undefined) return outcome;
    }
    if (!isWatched(splitKey(key)[0], this.#options)) return undefined;
    const scope = route ? this.#scopeOf(route) : nowhere;
    if (scope === undefined) return undefined; // the key is queued again once that is known
    const desired = route ? this.#filtersFor(route, scope.namespaces) : [];
    const withheld = route && this.#objection(route);
    const allowed = desired.filter((filter) => withheld === undefined || this.#isOld(key, filter, withheld));
    this.rights.record(key, allowed.length < desired.length ? withheld : undefined);
    const outcome = await this.#ensureAll(allowed);
    if (route && !isSameScope(scope, this.#scopeOf(route))) return { againInMs: 0 };
    if (outcome !== undefined) return outcome;
    // What has a new place or a new name is written before the old one goes.
    if (allowed.length < desired.length && withheld === "HubsUnknown") return undefined;
    if (verdict.verdict === "none") this.rights.forget(key);
    if (route === undefined) this.scope.forget(key);
    const keys = new Set(desired.map(objectKey));
    for (const filter of this.#ownedBy(key)) {
      const removed = keys.has(objectKey(filter)) ? undefined : await this.#remove(filter);
      if (removed !== undefined) return removed;
    }
    return scope.againInMs === undefined ? undefined : { againInMs: scope.againInMs };
  }

  /**
   * The port's filter comes first: without it the first route would hang on large answers. One that cannot be written holds
   * up none in another namespace.
   */
  async #ensureAll(filters: readonly EnvoyFilter[]): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    for (const filter of filters) {
      const { routedPort } = filterFactsOf(filter);
      const port = routedPort === undefined ? undefined : this.#portFilter(namespaceOf(filter), routedPort);
      outcomes.push((port && (await this.#ensure(port))) ?? (await this.#ensure(filter)));
    }
    return outcomes.find((outcome) => outcome !== undefined);
  }

  #scopeOf(route: DubboRoute): Scope | undefined {
    return this.scope.of(route, this.#known.namespacesOf(route));
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
    if (this.rights.has(entry, slot)) return true;
    if (actual === undefined) return false;
    const { isOurs, serviceEntry } = filterFactsOf(actual);
    return isOurs ? serviceEntry === entry : withheld === "PortNotAllowed" && isToBeWritten(actual, filter);
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
  #filtersFor(route: DubboRoute, namespaces: readonly string[]): readonly EnvoyFilter[] {
    const { rootNamespace, inboundFilters } = this.#options;
    const outbound = namespaces.map((namespace) => outboundFilter(route, namespace));
    return inboundFilters ? [...outbound, inboundFilter(route, rootNamespace)] : outbound;
  }

  #countedRouteOf(key: string): DubboRoute | undefined {
    const object = this.#context.serviceEntries.objects.get(key);
    const verdict = object && routeOf(object, this.#rules);
    return verdict?.verdict === "route" && this.#counts(verdict.route) ? verdict.route : undefined;
  }

  #portFilter(namespace: string, port: number): EnvoyFilter {
    const isOn = this.#ejection.isOn(port);
    const desired = portFilter(port, namespace, isOn ?? true);
    const actual = this.#context.filters.objects.get(objectKey(desired));
    if (actual === undefined || isOn !== undefined) return desired;
    return portFilter(port, namespace, filterFactsOf(actual).ejects); // entries that are unclear change nothing
  }

  /** Whether the entry has a filter or may have one: nobody else has a say about a port. */
  #counts(route: DubboRoute): boolean {
    const withheld = this.#objection(route);
    if (withheld === undefined) return true;
    return this.#isOld(route.serviceEntry, outboundFilter(route, this.#options.rootNamespace), withheld);
  }

  /** What the filters of a port say changes; there may be none yet, or none that this process may write. */
  async #renewPort(port: number): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    for (const namespace of this.#known.namespacesOfPort(port))
      outcomes.push(await this.#ensure(this.#portFilter(namespace, port)));
    return outcomes.find((outcome) => outcome !== undefined);
  }

  async #workPort(namespace: string, port: number): Promise<Outcome> {
    const desired = this.#portFilter(namespace, port);
    if (this.#isPortUsed(namespace, port)) return this.#ensure(desired);
    if (!this.#context.knowsHubs()) return undefined;
    const actual = this.#context.filters.objects.get(objectKey(desired));
    return actual && filterFactsOf(actual).isOurs ? this.#remove(actual) : undefined;
  }

  /** Whether a filter in the namespace routes the port, or an entry may be about to get such a filter there. */
  #isPortUsed(namespace: string, port: number): boolean {
    if (this.#known.isRouted(namespace, port)) return true;
    for (const key of this.#context.serviceEntries.objects.keys()) {
      const route = this.#countedRouteOf(key);
      if (route?.port !== port) continue;
      const scope = this.#scopeOf(route);
      if (scope === undefined || scope.namespaces.includes(namespace)) return true;
    }
    return false;
  }

  *#ownedBy(key: string): Generator<Stored<EnvoyFilter>> {
    for (const filterKey of this.#known.of(key)) {
      const filter = this.#context.filters.objects.get(filterKey);
      if (filter) yield filter;
    }
  }

  /** All entries of a port need its filter. One of them writes it; the others wait for the answer. */
  async #ensure(desired: EnvoyFilter): Promise<Outcome> {
    const key = objectKey(desired);
    for (let other = this.#underway.get(key); other; other = this.#underway.get(key)) await other;
    const ensuring = this.#ensureAlone(key, desired).finally(() => this.#underway.delete(key));
    this.#underway.set(key, ensuring);
    return ensuring;
  }

  async #ensureAlone(key: string, desired: EnvoyFilter): Promise<Outcome> {
    const actual = this.#context.filters.objects.get(key);
    if (actual && isCovered(desired, actual)) return undefined;
    if (actual && !isToBeWritten(actual, desired)) {
      this.#writer.recordEvent(
        actual,
        "NameTaken",
        "the dubbo-controller needs this name but did not write this EnvoyFilter; delete or rename it",
      );
      return { failed: true };
    }
    const pauseMs = this.#writer.pauseMs(key, desired);
    if (pauseMs > 0) return { againInMs: pauseMs };
    const error = await this.#writer.apply(key, desired, actual, { name: desired.metadata.name });
    if (error?.reason === "Forbidden") this.scope.refused(namespaceOf(desired));
    return this.#outcome(error);
  }

  async #remove(filter: Stored<EnvoyFilter>): Promise<Outcome> {
    return this.#outcome(
      await this.#writer.delete(objectKey(filter), filter, { name: filter.metadata.name }),
    );
  }

  #outcome(error: KubeError | undefined): Outcome {
    if (error && retryDelay(error) === undefined) this.#context.refused(error);
    return failedBy(error);
  }
}

/**
 * Whether the filter is ours, or the old product's with the same name and listener; that one is taken over in place,
 * without a drain.
 */
function isToBeWritten(actual: Stored<EnvoyFilter>, desired: EnvoyFilter): boolean {
  const { isOurs, listener } = filterFactsOf(actual);
  return isOurs || (listener !== undefined && listener === filterFactsOf(desired).listener);
}

const namespaceOf = (filter: EnvoyFilter): string => splitKey(objectKey(filter))[0];
