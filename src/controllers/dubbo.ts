import { apply, remove } from "../kube/apply.ts";
import type { KubeClient } from "../kube/client.ts";
import { retryDelay } from "../kube/errors.ts";
import { createEventRecorder, type EventRecorder } from "../kube/events.ts";
import { createReflector, type Reflector } from "../kube/reflector.ts";
import { resources } from "../kube/resources.ts";
import { isCovered } from "../kube/same.ts";
import type { Ms } from "../model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../model/istio.ts";
import { annotations, labels, managers } from "../model/labels.ts";
import { vipPool } from "../plan/vip.ts";
import type { Deps } from "../runtime/deps.ts";
import type { DubboMetrics } from "../runtime/metrics.ts";
import { type RouteRules, type RouteVerdict, routeOf } from "../translate/dubbo-route.ts";
import { bufferFilter, inboundFilter, outboundFilter } from "../translate/envoy-filter.ts";
import { Contention } from "./contention.ts";
import { EntryIndex } from "./entries.ts";
import { type Outcome, WorkQueue } from "./queue.ts";
import { watchRootNamespace } from "./root-namespace.ts";
import { isWatched } from "./targets.ts";

/** Beyond this many filters in the root namespace istiod's cost per push grows with the square. */
const manyFilters = 1_000;
const contestedTimes = 3;
/** An entry that a person deletes is back at once: its filters must not go and return, that would cost connections. */
const removalDelayMs = 1_000;
/** Queue keys of the filters that belong to a port instead of a ServiceEntry; no namespace has such a name. */
const bufferKey = (port: number): string => `:buffer/${port}`;

export interface DubboControllerOptions {
  readonly rootNamespace: string;
  readonly vipCidr: string;
  /** [] = all. */
  readonly watchNamespaces: readonly string[];
  readonly foreignServiceEntries: boolean;
  readonly inboundFilters: boolean;
  readonly concurrency: number;
}

/** ServiceEntries that speak Dubbo -> EnvoyFilters in the root namespace. The queue is keyed by ServiceEntry. */
export class DubboController {
  readonly #options: DubboControllerOptions;
  readonly #client: KubeClient;
  readonly #metrics: DubboMetrics;
  readonly #deps: Deps;
  readonly #serviceEntries: Reflector<ServiceEntry>;
  readonly #filters: Reflector<EnvoyFilter>;
  readonly #entries: EntryIndex;
  readonly #rules: RouteRules;
  readonly #contention: Contention;
  /** Filters of ours, with whom they belong to and the port that they route; and the reverse, by owner. */
  readonly #known = new Map<string, { readonly owner: string; readonly port: number | undefined }>();
  readonly #filtersOf = new Map<string, Set<string>>();
  /** Since when entries that have filters are gone. */
  readonly #goneAt = new Map<string, Ms>();
  #queue: WorkQueue | undefined;
  #events: EventRecorder | undefined;
  #signal: AbortSignal = AbortSignal.abort();
  #isReady = false;
  #hadMany = false;

  constructor(options: DubboControllerOptions, client: KubeClient, metrics: DubboMetrics, deps: Deps) {
    this.#options = options;
    this.#client = client;
    this.#metrics = metrics;
    this.#deps = deps;
    this.#serviceEntries = createReflector<ServiceEntry>(
      client,
      resources.serviceEntries,
      { transform: routeFields },
      deps,
    );
    this.#filters = createReflector<EnvoyFilter>(
      client,
      resources.envoyFilters,
      { namespace: options.rootNamespace, transform: withoutManagedFields },
      deps,
    );
    this.#entries = new EntryIndex(this.#serviceEntries.objects);
    this.#contention = new Contention(deps.clock);
    const pool = vipPool(options.vipCidr);
    this.#rules = {
      foreign: options.foreignServiceEntries,
      believes: (vip) => pool.believes(vip),
      hasElder: (vip, object) => this.#entries.hasElder(vip, object),
    };
  }

  /** Names of queues on which one key has been worked for longer than `ms`. */
  stuckLoops(ms: Ms): readonly string[] {
    return (this.#queue?.longestRunMs ?? 0) > ms ? ["filters"] : [];
  }

  /** Works until `signal` aborts. @throws only what is a bug. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#events = createEventRecorder(this.#client, managers.dubbo, this.#deps, signal);
    this.#queue = new WorkQueue((key) => this.#work(key), this.#options.concurrency, this.#deps);
    this.#serviceEntries.subscribe((keys) => {
      for (const key of keys) {
        this.#entries.update(key);
        this.#queue?.add(key);
      }
      this.#listsChanged();
    });
    this.#filters.subscribe((keys) => {
      for (const key of keys) this.#touchOwner(key);
      this.#measure();
      this.#listsChanged();
    });
    const root = watchRootNamespace(
      this.#client,
      this.#options.rootNamespace,
      this.#events,
      this.#metrics,
      this.#deps,
      signal,
    );
    await Promise.all([
      this.#serviceEntries.run(signal),
      this.#filters.run(signal),
      this.#queue.run(signal),
      root,
    ]);
  }

  /** Nothing is decided on lists that are not complete; when they become so, everything is looked at. */
  #listsChanged(): void {
    const isReady = [this.#serviceEntries, this.#filters].every((list) => list.status.state === "synced");
    if (isReady && !this.#isReady) {
      this.#isReady = true;
      this.#queue?.retryAll();
      for (const key of this.#serviceEntries.objects.keys()) this.#queue?.add(key);
      for (const key of this.#filters.objects.keys()) this.#touchOwner(key);
    }
    this.#isReady = isReady;
  }

  /** A filter appeared, changed or went: whoever it belongs, or belonged, to is looked at, and its port. */
  #touchOwner(key: string): void {
    const filter = this.#filters.objects.get(key);
    const before = this.#known.get(key);
    const owner = filter && ownerKey(filter);
    this.#known.delete(key);
    if (
      before &&
      this.#filtersOf.get(before.owner)?.delete(key) &&
      this.#filtersOf.get(before.owner)?.size === 0
    )
      this.#filtersOf.delete(before.owner);
    if (filter && owner !== undefined) {
      this.#known.set(key, { owner, port: routedPort(filter) });
      this.#filtersOf.set(owner, (this.#filtersOf.get(owner) ?? new Set()).add(key));
    }
    for (const one of [before?.owner, owner]) if (one !== undefined) this.#queue?.add(one);
    if (before?.port !== undefined && owner === undefined) this.#queue?.add(bufferKey(before.port));
  }

  async #work(key: string): Promise<Outcome> {
    if (!this.#isReady) return undefined; // everything is looked at again once the lists are complete
    const port = /^:buffer\/(\d+)$/.exec(key)?.[1];
    if (port !== undefined) return this.#workBuffer(Number(port));
    const object = this.#serviceEntries.objects.get(key);
    if (!isWatched(key.split("/")[0] ?? "", this.#options)) return undefined;
    const verdict: RouteVerdict = object ? routeOf(object, this.#rules) : { verdict: "none" };
    if (verdict.verdict === "unclear") return undefined;
    const delayMs = this.#removalDelayMs(key, object);
    if (delayMs > 0) return { againInMs: delayMs };
    const desired = verdict.verdict === "route" ? this.#filtersFor(verdict.route) : [];
    for (const filter of desired) {
      const outcome = await this.#ensure(filter);
      if (outcome !== undefined) return outcome;
    }
    const names = new Set(desired.map((filter) => filter.metadata.name));
    for (const filter of this.#ownedBy(key)) {
      const outcome = names.has(filter.metadata.name) ? undefined : await this.#remove(filter);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  #removalDelayMs(key: string, object: ServiceEntry | undefined): Ms {
    if (object !== undefined || !this.#filtersOf.has(key)) {
      this.#goneAt.delete(key);
      return 0;
    }
    const now = this.#deps.clock.monotonic();
    const goneAt = this.#goneAt.get(key) ?? now;
    this.#goneAt.set(key, goneAt);
    return Math.max(0, goneAt + removalDelayMs - now);
  }

  /** The port's buffer filter first: without it the port's first route would hang on large answers. */
  #filtersFor(route: Parameters<typeof outboundFilter>[0]): readonly EnvoyFilter[] {
    const { rootNamespace, inboundFilters } = this.#options;
    const outbound = [bufferFilter(route.port, rootNamespace), outboundFilter(route, rootNamespace)];
    return inboundFilters ? [...outbound, inboundFilter(route, rootNamespace)] : outbound;
  }

  async #workBuffer(port: number): Promise<Outcome> {
    const desired = bufferFilter(port, this.#options.rootNamespace);
    if (this.#isPortUsed(port)) return this.#ensure(desired);
    const actual = this.#filters.objects.get(`${this.#options.rootNamespace}/${desired.metadata.name}`);
    return actual && isOurs(actual) ? this.#remove(actual) : undefined;
  }

  /** Whether a filter routes the port, or an entry is about to get one that does. */
  #isPortUsed(port: number): boolean {
    for (const known of this.#known.values()) if (known.port === port) return true;
    for (const object of this.#serviceEntries.objects.values()) {
      const verdict = routeOf(object, this.#rules);
      if (verdict.verdict === "route" && verdict.route.port === port) return true;
    }
    return false;
  }

  *#ownedBy(key: string): Generator<EnvoyFilter> {
    for (const filterKey of this.#filtersOf.get(key) ?? []) {
      const filter = this.#filters.objects.get(filterKey);
      if (filter) yield filter;
    }
  }

  async #ensure(desired: EnvoyFilter): Promise<Outcome> {
    const key = `${desired.metadata.namespace}/${desired.metadata.name}`;
    const actual = this.#filters.objects.get(key);
    if (actual && isCovered(desired, actual)) return undefined;
    if (actual && !isOurs(actual) && !isAdoptable(actual, desired)) {
      this.#note(actual, "NameTaken", "an EnvoyFilter of this name is not ours; delete or rename it");
      return { failed: true };
    }
    const hash = desired.metadata.annotations?.[annotations.lastApplied] ?? "";
    const pauseMs = this.#contention.pauseMs(key, hash);
    if (pauseMs > 0) return { againInMs: pauseMs };
    const written = await apply(this.#client, resources.envoyFilters, desired, {
      fieldManager: managers.dubbo,
      signal: this.#signal,
    });
    this.#metrics.wrote("EnvoyFilter", "apply", "error" in written ? written.error.reason : "ok");
    if ("error" in written) {
      this.#deps.logger.warn("envoyfilter not written", {
        name: desired.metadata.name,
        error: written.error.message,
      });
      return { failed: true, atLeastMs: retryDelay(written.error) ?? 0 };
    }
    if (actual === undefined) this.#deps.logger.info("envoyfilter created", { name: desired.metadata.name });
    this.#filters.put(written.ok);
    if (this.#contention.wrote(key, hash) >= contestedTimes) {
      this.#note(
        written.ok,
        "Contended",
        "something else keeps changing this EnvoyFilter; stop the old product or whatever does",
      );
    }
    return undefined;
  }

  async #remove(filter: EnvoyFilter): Promise<Outcome> {
    const removed = await remove(this.#client, resources.envoyFilters, filter, this.#signal);
    this.#metrics.wrote("EnvoyFilter", "delete", "error" in removed ? removed.error.reason : "ok");
    if ("error" in removed) {
      this.#deps.logger.warn("envoyfilter not deleted", {
        name: filter.metadata.name,
        error: removed.error.message,
      });
      return { failed: true, atLeastMs: retryDelay(removed.error) ?? 0 };
    }
    this.#deps.logger.info("envoyfilter deleted", { name: filter.metadata.name });
    this.#contention.forget(`${filter.metadata.namespace}/${filter.metadata.name}`);
    this.#filters.remove(filter);
    return undefined;
  }

  #measure(): void {
    const count = this.#filters.objects.size;
    this.#metrics.envoyFilters(count);
    this.#metrics.queueDepth("filters", this.#queue?.depth ?? 0);
    const hasMany = count > manyFilters;
    if (hasMany && !this.#hadMany) {
      const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: this.#options.rootNamespace } };
      const message = `${count} EnvoyFilters: beyond ${manyFilters} istiod slows down; scope services with Sidecar or exportTo, or set l7: false`;
      this.#events?.record({ object, type: "Warning", reason: "ManyEnvoyFilters", message });
    }
    this.#hadMany = hasMany;
  }

  #note(filter: EnvoyFilter, reason: string, message: string): void {
    const object = {
      ...filter,
      apiVersion: "networking.istio.io/v1alpha3" as const,
      kind: "EnvoyFilter" as const,
    };
    this.#events?.record({ object, type: "Warning", reason, message });
  }
}

function isOurs({ metadata }: EnvoyFilter): boolean {
  return metadata.labels?.[labels.managedBy] === managers.dubbo;
}

/** The listener that a filter changes: "<vip>_<port>" or "virtualInbound"; undefined for a buffer filter. */
function listenerOf({ spec }: EnvoyFilter): string | undefined {
  const [patch] = (spec.configPatches ?? []) as readonly { match?: { listener?: { name?: string } } }[];
  return patch?.match?.listener?.name;
}

/** The port whose large answers an outbound filter needs the buffer for. */
function routedPort(filter: EnvoyFilter): number | undefined {
  const port = /_(\d+)$/.exec(listenerOf(filter) ?? "")?.[1];
  return port === undefined ? undefined : Number(port);
}

/** The old product's filter of the same name for the very same listener is taken over in place, without a drain. */
function isAdoptable(actual: EnvoyFilter, desired: EnvoyFilter): boolean {
  return listenerOf(actual) !== undefined && listenerOf(actual) === listenerOf(desired);
}

/** The queue key of what a filter of ours belongs to. */
function ownerKey(filter: EnvoyFilter): string | undefined {
  if (!isOurs(filter)) return undefined;
  const port = /^aeraki-outbound-buffer-(\d+)$/.exec(filter.metadata.name)?.[1];
  return port === undefined
    ? filter.metadata.annotations?.[annotations.serviceEntry]
    : bufferKey(Number(port));
}

/** Endpoints decide nothing here, and are most of an entry's size. */
function routeFields(object: ServiceEntry): ServiceEntry {
  const { endpoints: _, ...spec } = object.spec;
  return { ...object, metadata: withoutManagedFields(object).metadata, spec };
}

function withoutManagedFields<T extends ServiceEntry | EnvoyFilter>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
