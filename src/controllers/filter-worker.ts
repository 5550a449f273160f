import { type KubeError, retryDelay } from "../kube/errors.ts";
import type { Held } from "../kube/reflector.ts";
import { objectKey, resources } from "../kube/resources.ts";
import { isCovered } from "../kube/same.ts";
import type { Ms } from "../model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../model/istio.ts";
import { splitKey } from "../model/keys.ts";
import { annotations, labels, managers } from "../model/labels.ts";
import { type RouteRules, type RouteVerdict, routeOf } from "../translate/dubbo-route.ts";
import { bufferFilter, type DubboRoute, inboundFilter, outboundFilter } from "../translate/envoy-filter.ts";
import { ObjectWriter, type Tools } from "./object-writer.ts";
import { failedBy, type Outcome } from "./queue.ts";
import { isWatched } from "./targets.ts";

/** An entry that a person deletes is back at once: its filters must not go and return, that would cost connections. */
export const filterRemovalDelayMs = 1_000;
/** Queue keys of the filters that belong to a port instead of a ServiceEntry; no namespace has such a name. */
const bufferKey = (port: number): string => `:buffer/${port}`;

export interface FilterWorkerOptions {
  readonly rootNamespace: string;
  /** [] = all. */
  readonly watchNamespaces: readonly string[];
  readonly inboundFilters: boolean;
}

/** What the worker asks the controller. */
export interface FilterWorld {
  readonly serviceEntries: Held<ServiceEntry>;
  readonly filters: Held<EnvoyFilter>;
  readonly rules: RouteRules;
  /** Whether the cluster's own lists are complete: nothing is decided before. */
  isReady(): boolean;
  /** The API server will not have a write, for a reason that only a person can mend. */
  refused(error: KubeError): void;
}

/** Brings the filters of one ServiceEntry, or of one port, at a time to what they should be. */
export class FilterWorker {
  readonly #world: FilterWorld;
  readonly #options: FilterWorkerOptions;
  readonly #tools: Tools;
  readonly #writer: ObjectWriter<EnvoyFilter>;
  /** Filters of ours, with whom they belong to and the port that they route; and the reverse, by owner. */
  readonly #known = new Map<string, { readonly owner: string; readonly port: number | undefined }>();
  readonly #filtersOf = new Map<string, Set<string>>();
  /** Since when entries that have filters are gone. */
  readonly #goneAt = new Map<string, Ms>();

  constructor(world: FilterWorld, options: FilterWorkerOptions, tools: Tools) {
    this.#world = world;
    this.#options = options;
    this.#tools = tools;
    this.#writer = new ObjectWriter(world.filters, resources.envoyFilters, managers.dubbo, tools);
  }

  /** Takes in a filter that appeared, changed or went. Returns the queue keys of whoever it belongs, or belonged, to. */
  take(key: string): readonly string[] {
    const filter = this.#world.filters.objects.get(key);
    const before = this.#known.get(key);
    const owner = filter && ownerKey(filter);
    this.#known.delete(key);
    const owned = before && this.#filtersOf.get(before.owner);
    if (before && owned?.delete(key) && owned.size === 0) this.#filtersOf.delete(before.owner);
    if (filter && owner !== undefined) {
      this.#known.set(key, { owner, port: routedPort(filter) });
      this.#filtersOf.set(owner, (this.#filtersOf.get(owner) ?? new Set()).add(key));
    }
    const freedPort = owner === undefined ? before?.port : undefined;
    const buffer = freedPort === undefined ? undefined : bufferKey(freedPort);
    return [before?.owner, owner, buffer].filter((one) => one !== undefined);
  }

  /** The queue's work function. */
  async work(key: string): Promise<Outcome> {
    if (!this.#world.isReady()) return undefined; // everything is looked at again once the lists are complete
    const port = /^:buffer\/(\d+)$/.exec(key)?.[1];
    if (port !== undefined) return this.#workBuffer(Number(port));
    const object = this.#world.serviceEntries.objects.get(key);
    if (!isWatched(splitKey(key)[0], this.#options)) return undefined;
    const verdict: RouteVerdict = object ? routeOf(object, this.#world.rules) : { verdict: "none" };
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
    const now = this.#tools.deps.clock.monotonic();
    const goneAt = this.#goneAt.get(key) ?? now;
    this.#goneAt.set(key, goneAt);
    return Math.max(0, goneAt + filterRemovalDelayMs - now);
  }

  /** The port's buffer filter first: without it the port's first route would hang on large answers. */
  #filtersFor(route: DubboRoute): readonly EnvoyFilter[] {
    const { rootNamespace, inboundFilters } = this.#options;
    const outbound = [bufferFilter(route.port, rootNamespace), outboundFilter(route, rootNamespace)];
    return inboundFilters ? [...outbound, inboundFilter(route, rootNamespace)] : outbound;
  }

  async #workBuffer(port: number): Promise<Outcome> {
    const desired = bufferFilter(port, this.#options.rootNamespace);
    if (this.#isPortUsed(port)) return this.#ensure(desired);
    const actual = this.#world.filters.objects.get(objectKey(desired));
    return actual && isOurs(actual) ? this.#remove(actual) : undefined;
  }

  /** Whether a filter routes the port, or an entry is about to get one that does. */
  #isPortUsed(port: number): boolean {
    for (const known of this.#known.values()) if (known.port === port) return true;
    for (const object of this.#world.serviceEntries.objects.values()) {
      const verdict = routeOf(object, this.#world.rules);
      if (verdict.verdict === "route" && verdict.route.port === port) return true;
    }
    return false;
  }

  *#ownedBy(key: string): Generator<EnvoyFilter> {
    for (const filterKey of this.#filtersOf.get(key) ?? []) {
      const filter = this.#world.filters.objects.get(filterKey);
      if (filter) yield filter;
    }
  }

  async #ensure(desired: EnvoyFilter): Promise<Outcome> {
    const key = objectKey(desired);
    const actual = this.#world.filters.objects.get(key);
    if (actual && isCovered(desired, actual)) return undefined;
    if (actual && !isOurs(actual) && !isAdoptable(actual, desired)) {
      this.#writer.note(actual, "NameTaken", "an EnvoyFilter of this name is not ours; delete or rename it");
      return { failed: true };
    }
    const pauseMs = this.#writer.pauseMs(key, desired);
    if (pauseMs > 0) return { againInMs: pauseMs };
    return this.#outcome(await this.#writer.apply(key, desired, actual, { name: desired.metadata.name }));
  }

  async #remove(filter: EnvoyFilter): Promise<Outcome> {
    return this.#outcome(
      await this.#writer.delete(objectKey(filter), filter, { name: filter.metadata.name }),
    );
  }

  #outcome(error: KubeError | undefined): Outcome {
    if (error && retryDelay(error) === undefined) this.#world.refused(error);
    return failedBy(error);
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
