import type { KubeClient } from "../../kube/client.ts";
import type { KubeError } from "../../kube/errors.ts";
import { createEventRecorder, type EventRecorder } from "../../kube/events.ts";
import { createReflector, obstacleOf, type Reflector } from "../../kube/reflector.ts";
import { resources } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { vipPool } from "../../plan/vip.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { DubboMetrics } from "../../runtime/metrics.ts";
import { exportedTo } from "../../translate/read-back/export-to.ts";
import { targetOf, targetOnly, withoutEndpoints } from "../../translate/read-back/kept.ts";
import { EntryIndex } from "../writes/entry-index.ts";
import { reportBug } from "../writes/internal-error.ts";
import type { Tools } from "../writes/object-writer.ts";
import { WorkQueue } from "../writes/queue.ts";
import type { Urgency } from "../writes/ready-keys.ts";
import { FilterLists } from "./filter-lists.ts";
import { type FilterContext, FilterWorker, type FilterWorkerOptions } from "./filter-worker.ts";
import { watchRootNamespace } from "./root-namespace.ts";
import { RuleLists } from "./rule-lists.ts";

/** With more filters in the root namespace, istiod's cost per push grows with the square of their number. */
const manyFilters = 1_000;

/** So long after the start nothing is decided before it is known which filters there are elsewhere. */
const elsewhereMs = 10_000;

export interface DubboControllerOptions extends FilterWorkerOptions {
  readonly vipCidr: string;
  readonly foreignServiceEntries: boolean;
  /** Whether VirtualServices become rules. */
  readonly dubboRules: boolean;
  readonly concurrency: number;
}

/** ServiceEntries that speak Dubbo -> EnvoyFilters in the root namespace. The queue is keyed by ServiceEntry. */
export class DubboController {
  readonly #options: DubboControllerOptions;
  readonly #client: KubeClient;
  readonly #metrics: DubboMetrics;
  readonly #deps: Deps;
  readonly #serviceEntries: Reflector<Stored<ServiceEntry>>;
  readonly #filters: FilterLists;
  readonly #ruleLists: RuleLists | undefined;
  /** Nothing but new filters waits for the hubs. */
  readonly #hubs: Reflector<Stored<RegistryHub>>;
  readonly #targets = new Map<HubKey, string>();
  readonly #entries: EntryIndex;
  #queue: WorkQueue | undefined;
  #isReady = false;
  #knowsHubs = false;
  #hadMany = false;
  /** Whether it has been known which filters there are outside the root namespace, or has not been for too long. */
  #isElsewhereKnown = false;
  /** What was known of namespaces besides the root namespace at the last look. */
  #knewElsewhere: FilterLists["elsewhere"] = "unknown";

  constructor(options: DubboControllerOptions, client: KubeClient, metrics: DubboMetrics, deps: Deps) {
    this.#options = options;
    this.#client = client;
    this.#metrics = metrics;
    this.#deps = deps;
    const { serviceEntries, registryHubs } = resources;
    this.#serviceEntries = createReflector(client, serviceEntries, { transform: withoutEndpoints }, deps);
    this.#filters = new FilterLists(client, options.rootNamespace, deps);
    this.#ruleLists = options.dubboRules ? new RuleLists(client, options.rootNamespace, deps) : undefined;
    const logger = deps.logger.child({ neededFor: "new EnvoyFilters; those that exist stay" });
    this.#hubs = createReflector(client, registryHubs, { transform: targetOnly }, { ...deps, logger });
    this.#entries = new EntryIndex(this.#serviceEntries.objects);
  }

  /** Names of the queues that have worked on one key for longer than `ms`. */
  stuckLoops(ms: Ms): readonly string[] {
    return (this.#queue?.longestRunMs ?? 0) > ms ? ["filters"] : [];
  }

  /** Works until `signal` aborts. @throws only on a bug that concerns more than one key. */
  async run(signal: AbortSignal): Promise<void> {
    const events = createEventRecorder(this.#client, fieldManagers.dubbo, this.#metrics, this.#deps, signal);
    const recall = (): void => queue.recall(); // no key says where its filters are
    const tools = { client: this.#client, events, metrics: this.#metrics, deps: this.#deps, signal, recall };
    const worker = new FilterWorker(this.#context(events), this.#options, tools);
    const queue = new WorkQueue((key) => worker.work(key), this.#options.concurrency, this.#deps, {
      sliceBegins: () => this.#metrics.sliceBegins("filters"),
      onBug: (key, error) => {
        reportBug(tools, "filter", { key }, error);
        return { failed: true };
      },
    });
    this.#queue = queue;
    this.#metrics.beforeRender(() => {
      this.#metrics.queueDepth("filters", queue.depth);
      this.#metrics.withheldFilters(worker.rights.counts);
      this.#metrics.filtersInRoot(worker.scope.inRoot);
      this.#metrics.refusedRules(worker.rules.counts);
    });
    this.#follow(queue, worker, tools);
    const { rootNamespace } = this.#options;
    const root = watchRootNamespace(this.#client, rootNamespace, events, this.#metrics, this.#deps, signal);
    const lists = [this.#serviceEntries, this.#filters, this.#hubs, this.#ruleLists];
    const running = lists.map((list) => list?.run(signal));
    await Promise.all([...running, queue.run(signal), root]);
  }

  /** What the lists tell is queued. */
  #follow(queue: WorkQueue, worker: FilterWorker, tools: Tools): void {
    const { events } = tools;
    const lists = [this.#serviceEntries, this.#filters.root, this.#hubs];
    const cancel = this.#deps.clock.after(elsewhereMs, () => {
      this.#isElsewhereKnown = true; // as much as it can be
      this.#listsChanged(queue, touch);
    });
    tools.signal.addEventListener("abort", cancel, { once: true });
    for (const list of lists) {
      list.subscribe(() => {
        const obstacle = obstacleOf(list.status);
        if (obstacle) this.#warn(events, obstacle.reason, obstacle.message);
      });
    }
    const touch = (filterKey: string, urgency: Urgency): void => {
      try {
        for (const key of worker.take(filterKey)) queue.add(key, urgency);
      } catch (error) {
        reportBug(tools, "object", { envoyFilter: filterKey }, error);
      }
    };
    const takeEntry = (key: string): void => {
      try {
        for (const host of this.#entries.update(key))
          for (const other of this.#entries.keysAt(host)) queue.add(other, this.#urgency);
      } catch (error) {
        reportBug(tools, "object", { serviceEntry: key }, error);
      }
      queue.add(key, this.#urgency);
    };
    this.#serviceEntries.subscribe((keys) => {
      for (const key of keys) takeEntry(key);
      this.#listsChanged(queue, touch);
    });
    this.#hubs.subscribe((keys) => {
      for (const key of keys) if (this.#takeHub(key)) this.#entries.keysNaming(key).forEach(takeEntry);
      this.#listsChanged(queue, touch);
    });
    this.#filters.subscribe((keys) => {
      for (const key of keys) touch(key, this.#urgency);
      this.#measure(events);
      this.#listsChanged(queue, touch);
    });
    this.#ruleLists?.subscribe((news) => {
      for (const host of worker.rules.hostsOf(news))
        for (const key of this.#entries.keysAt(host)) queue.add(key, this.#urgency);
    });
    this.#filters.subscribeToNamespaces((names) => {
      for (const [key, object] of names.size > 0 ? this.#serviceEntries.objects : [])
        if (exportedTo(object)?.some((name) => names.has(name))) queue.add(key, "changed");
      this.#listsChanged(queue, touch);
    });
  }

  /** The objects of the first complete lists are no changes. */
  get #urgency(): Urgency {
    return this.#isReady ? "changed" : "look";
  }

  /** No object describes this controller's state, so the root namespace gets its Events. */
  #warn(events: EventRecorder, reason: string, message: string): void {
    const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: this.#options.rootNamespace } };
    events.record({ object, type: "Warning", reason, message });
  }

  #context(events: EventRecorder): FilterContext {
    const pool = vipPool(this.#options.vipCidr);
    return {
      serviceEntries: this.#serviceEntries,
      filters: this.#filters,
      namespaces: this.#filters,
      ruleLists: this.#ruleLists,
      entries: this.#entries,
      foreign: this.#options.foreignServiceEntries,
      accepts: (vip: string) => pool.accepts(vip),
      targetOf: (hub) => this.#targets.get(hub),
      knowsHubs: () => this.#knowsHubs,
      isReady: () => this.#isReady,
      refused: ({ reason, message }: KubeError) => this.#warn(events, reason, message),
      queue: (keys) => {
        for (const key of keys) this.#queue?.add(key, "changed");
      },
      keptInRoot: (why) => {
        const message = `EnvoyFilters of ServiceEntries with exportTo are in the root namespace, which works and costs istiod more: ${why}`;
        this.#warn(events, "FiltersInRoot", message);
      },
    };
  }

  /** Returns whether the hub is new, or gone, or has another target. */
  #takeHub(key: HubKey): boolean {
    const hub = this.#hubs.objects.get(key);
    const [before, after] = [this.#targets.get(key), hub && targetOf(hub)];
    if (after === undefined) this.#targets.delete(key);
    else this.#targets.set(key, after);
    return before !== after;
  }

  /**
   * Nothing is decided while the list of ServiceEntries or filters is incomplete, and nothing new is made while that of
   * the hubs is, nor in other namespaces before their filters are known. Once more is known, every key is queued again.
   */
  #listsChanged(queue: WorkQueue, touch: (filterKey: string, urgency: Urgency) => void): void {
    const [wasReady, knewHubs, knewElsewhere] = [this.#isReady, this.#knowsHubs, this.#knewElsewhere];
    const areSynced = [this.#serviceEntries, this.#filters.root].every(
      (list) => list.status.state === "synced",
    );
    const { elsewhere } = this.#filters;
    this.#knewElsewhere = elsewhere;
    this.#isElsewhereKnown ||= elsewhere !== "unknown";
    this.#isReady = areSynced && this.#isElsewhereKnown;
    this.#knowsHubs = this.#hubs.status.state === "synced";
    if (!this.#isReady) return;
    if (!wasReady || (!knewHubs && this.#knowsHubs)) {
      queue.retryAll();
      for (const key of this.#serviceEntries.objects.keys()) queue.add(key, "look");
      for (const key of this.#filters.objects.keys()) touch(key, "look");
    } else if (elsewhere !== knewElsewhere && elsewhere !== "unknown") {
      for (const [key, object] of this.#serviceEntries.objects)
        if (exportedTo(object) !== undefined) queue.add(key, "look");
      for (const key of this.#filters.elsewhereKeys()) touch(key, "look");
    }
  }

  #measure(events: EventRecorder): void {
    const count = this.#filters.root.objects.size;
    this.#metrics.envoyFilters(count);
    const hasMany = count > manyFilters;
    if (hasMany && !this.#hadMany) {
      const message = `istiod slows down with more than ${manyFilters} EnvoyFilters; scope services with Sidecar or exportTo, or set l7: false`;
      this.#warn(events, "ManyEnvoyFilters", message);
    }
    this.#hadMany = hasMany;
  }
}
