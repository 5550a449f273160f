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
import { type FilterFacts, filterFactsOf } from "../../translate/read-back/envoy-filter.ts";
import { ownershipOf } from "../../translate/read-back/service-entry.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import { ObjectWriter, type Tools } from "../writes/object-writer.ts";
import { failedBy, type Outcome } from "../writes/queue.ts";
import { isWatched } from "../writes/target-namespace.ts";
import { FilterRights, type RightsContext, type Withheld } from "./filter-rights.ts";
import { type EjectionRules, PortEjection } from "./port-ejection.ts";

/**
 * If somebody deletes an entry, it comes back at once. Its filters stay meanwhile, because a delete would cost
 * connections.
 */
export const filterRemovalDelayMs = 1_000;
/** Queue keys of filters that belong to a port and not to a ServiceEntry; no namespace has such a name. */
const portKey = (port: number): string => `:port/${port}`;

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
  /** Called when the API server refuses a write for a reason that only a person can fix. */
  refused(error: KubeError): void;
}

interface KnownFilter extends Pick<FilterFacts, "listener"> {
  readonly owner: string;
  readonly port: FilterFacts["routedPort"];
}

/** Reconciles the filters of one ServiceEntry, or of one port, at a time. */
export class FilterWorker {
  readonly rights: FilterRights;
  readonly #context: FilterContext;
  readonly #options: FilterWorkerOptions;
  readonly #tools: Tools;
  readonly #writer: ObjectWriter<Stored<EnvoyFilter>>;
  readonly #rules: RouteRules;
  readonly #ejection: PortEjection;
  /** Our filters, each with its owner and the listener and port that it routes; and the reverse, by owner. */
  readonly #known = new Map<string, KnownFilter>();
  readonly #filtersOf = new Map<string, Set<string>>();
  /** When the worker first saw that the entry of a filter was gone. */
  readonly #goneAt = new Map<string, Instant>();

  /** Filters that are compared and written at this moment. */
  readonly #underway = new Map<string, Promise<Outcome>>();

  constructor(context: FilterContext, options: FilterWorkerOptions, tools: Tools) {
    this.#context = context;
    this.#options = options;
    this.#tools = tools;
    this.rights = new FilterRights(context, options.dubboPorts);
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
    const before = this.#known.get(key);
    const facts = filter && filterFactsOf(filter);
    const owner = facts && ownerKey(facts);
    this.#known.delete(key);
    const owned = before && this.#filtersOf.get(before.owner);
    if (before && owned?.delete(key) && owned.size === 0) this.#filtersOf.delete(before.owner);
    if (facts && owner !== undefined) {
      this.#known.set(key, { owner, listener: facts.listener, port: facts.routedPort });
      this.#filtersOf.set(owner, (this.#filtersOf.get(owner) ?? new Set()).add(key));
      if (facts.slot !== undefined) this.rights.saw(owner, facts.slot);
    }
    const freedPort = owner === undefined ? before?.port : undefined;
    const port = freedPort === undefined ? undefined : portKey(freedPort);
    return [before?.owner, owner, port].filter((one) => one !== undefined);
  }

  /** The queue's work function. */
  async work(key: string): Promise<Outcome> {
    if (!this.#context.isReady()) return undefined; // every key is queued again once the lists are complete
    const { objects } = this.#context.serviceEntries;
    await this.#ejection.read();
    const port = /^:port\/(\d+)$/.exec(key)?.[1];
    if (port !== undefined) return this.#workPort(Number(port));
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
    const desired = route ? this.#filtersFor(route) : [];
    const withheld = route && this.#objection(route);
    const allowed = desired.filter((filter) => withheld === undefined || this.#isOld(key, filter, withheld));
    this.rights.record(key, allowed.length < desired.length ? withheld : undefined);
    for (const filter of allowed.flatMap((one) => this.#withPort(one))) {
      const outcome = await this.#ensure(filter);
      if (outcome !== undefined) return outcome;
    }
    // What has a new name is written before the old one goes.
    if (allowed.length < desired.length && withheld === "HubsUnknown") return undefined;
    if (verdict.verdict === "none") this.rights.forget(key);
    const names = new Set(desired.map((filter) => filter.metadata.name));
    for (const filter of this.#ownedBy(key)) {
      const outcome = names.has(filter.metadata.name) ? undefined : await this.#remove(filter);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
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
    const filters = [...(this.#filtersOf.get(key) ?? [])].map((filter) => this.#known.get(filter));
    const isIncumbent = filters.some((filter) => filter?.listener?.startsWith(`${vip}_`));
    return { isIncumbent, createdAt: metadata.creationTimestamp ?? "", key };
  }

  #removalDelayMs(key: string, object: Stored<ServiceEntry> | undefined): Ms {
    if (object !== undefined || !this.#filtersOf.has(key)) {
      this.#goneAt.delete(key);
      return 0;
    }
    const now = this.#tools.deps.clock.monotonic();
    const goneAt = this.#goneAt.get(key) ?? now;
    this.#goneAt.set(key, goneAt);
    return Math.max(0, goneAt + filterRemovalDelayMs - now);
  }

  /** The filters of a route, without that of its port. */
  #filtersFor(route: DubboRoute): readonly EnvoyFilter[] {
    const { rootNamespace, inboundFilters } = this.#options;
    const outbound = outboundFilter(route, rootNamespace);
    return inboundFilters ? [outbound, inboundFilter(route, rootNamespace)] : [outbound];
  }

  #countedRouteOf(key: string): DubboRoute | undefined {
    const object = this.#context.serviceEntries.objects.get(key);
    const verdict = object && routeOf(object, this.#rules);
    return verdict?.verdict === "route" && this.#counts(verdict.route) ? verdict.route : undefined;
  }

  /** The port's filter comes first: without it the first route would hang on large answers. */
  #withPort(filter: EnvoyFilter): readonly EnvoyFilter[] {
    const { routedPort } = filterFactsOf(filter);
    return routedPort === undefined ? [filter] : [this.#portFilter(routedPort), filter];
  }

  #portFilter(port: number): EnvoyFilter {
    const { rootNamespace } = this.#options;
    const isOn = this.#ejection.isOn(port);
    const desired = portFilter(port, rootNamespace, isOn ?? true);
    const actual = this.#context.filters.objects.get(objectKey(desired));
    if (actual === undefined || isOn !== undefined) return desired;
    return portFilter(port, rootNamespace, filterFactsOf(actual).ejects); // entries that are unclear change nothing
  }

  /** Whether the entry has a filter or may have one: nobody else has a say about a port. */
  #counts(route: DubboRoute): boolean {
    const withheld = this.#objection(route);
    if (withheld === undefined) return true;
    return this.#isOld(route.serviceEntry, outboundFilter(route, this.#options.rootNamespace), withheld);
  }

  /** What the filter of a port says changes; there may be none yet, or none that this process may write. */
  async #renewPort(port: number): Promise<Outcome> {
    const desired = this.#portFilter(port);
    const actual = this.#context.filters.objects.get(objectKey(desired));
    return actual && filterFactsOf(actual).isOurs ? this.#ensure(desired) : undefined;
  }

  async #workPort(port: number): Promise<Outcome> {
    const desired = this.#portFilter(port);
    if (this.#isPortUsed(port)) return this.#ensure(desired);
    if (!this.#context.knowsHubs()) return undefined;
    const actual = this.#context.filters.objects.get(objectKey(desired));
    return actual && filterFactsOf(actual).isOurs ? this.#remove(actual) : undefined;
  }

  /** Whether a filter routes the port, or an entry is about to get such a filter. */
  #isPortUsed(port: number): boolean {
    for (const known of this.#known.values()) if (known.port === port) return true;
    for (const key of this.#context.serviceEntries.objects.keys())
      if (this.#countedRouteOf(key)?.port === port) return true;
    return false;
  }

  *#ownedBy(key: string): Generator<Stored<EnvoyFilter>> {
    for (const filterKey of this.#filtersOf.get(key) ?? []) {
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
    return this.#outcome(await this.#writer.apply(key, desired, actual, { name: desired.metadata.name }));
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

/** The queue key of the owner of one of our filters. */
function ownerKey({ isOurs, ofPort, serviceEntry }: FilterFacts): string | undefined {
  if (!isOurs) return undefined;
  return ofPort === undefined ? serviceEntry : portKey(ofPort);
}
