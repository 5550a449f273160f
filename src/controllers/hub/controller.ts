import type { KubeClient } from "../../kube/client.ts";
import { createEventRecorder, type EventRecorder } from "../../kube/events.ts";
import { type ObjectKey, objectKey } from "../../kube/resources.ts";
import type { HostKey, Ms } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { PortRules } from "../../model/port-rules.ts";
import { type VipPool, vipPool } from "../../plan/vip.ts";
import type { HubMetrics } from "../../runtime/metrics.ts";
import { reportBug } from "../writes/internal-error.ts";
import { WorkQueue } from "../writes/queue.ts";
import type { Urgency } from "../writes/ready-keys.ts";
import { type ClusterOptions, HubCluster } from "./cluster.ts";
import type { HubDeps } from "./connection.ts";
import { DefaultRules, type DefaultRulesContext } from "./default-rules.ts";
import { History } from "./history.ts";
import { type HostContext, HostWorker } from "./host-worker.ts";
import type { Claimant } from "./other-lanes.ts";
import type { HubSession } from "./session.ts";
import { HubSessions, type HubSessionsOptions } from "./sessions.ts";
import { hostOfService, type Services, serviceAt } from "./shadowing-services.ts";
import { Sidecars, type SidecarsContext } from "./sidecars.ts";
import { type StatusContext, StatusWorker } from "./status-worker.ts";
import { UnexplainedEntries } from "./unexplained-entries.ts";

const statusConcurrency = 4;
/** Merges simultaneous changes into one look at a hub's status. */
const statusDelayMs = 100;

export interface HubControllerOptions extends HubSessionsOptions, ClusterOptions {
  readonly vipCidr: string;
  readonly concurrency: number;
  readonly emptyGraceMs: Ms;
  /** As in HostWorkerOptions. */
  readonly dubboPorts: PortRules;
}

/** RegistryHubs and what their registries list -> ServiceEntries and the hubs' status. */
export class HubController {
  /** What has become of hubs and hosts lately. */
  readonly history: History;
  readonly #options: HubControllerOptions;
  readonly #client: KubeClient;
  readonly #metrics: HubMetrics;
  readonly #deps: HubDeps;
  readonly #cluster: HubCluster;
  readonly #sessions: HubSessions;
  readonly #unexplained: UnexplainedEntries;
  readonly #defaultRules: DefaultRules;
  readonly #sidecars: Sidecars;
  #hostQueue: WorkQueue | undefined;
  #statusQueue: WorkQueue | undefined;
  #events: EventRecorder | undefined;
  #isReady = false;
  #servicesState: Services["status"]["state"] = "pending";

  constructor(options: HubControllerOptions, client: KubeClient, metrics: HubMetrics, deps: HubDeps) {
    this.#options = options;
    this.#client = client;
    this.#metrics = metrics;
    this.#deps = deps;
    this.history = new History(deps.clock);
    this.#cluster = new HubCluster(client, options, deps);
    this.#unexplained = new UnexplainedEntries(deps.logger, (target) => this.#enqueueStatuses(target));
    this.#sessions = new HubSessions({ cluster: this.#cluster, client, metrics, deps }, options, {
      enqueueHosts: (hosts, urgency) => this.#enqueueHosts(hosts, urgency),
      enqueueStatus: (key, when) =>
        when === "now" ? this.#statusQueue?.add(key, "changed") : this.#enqueueStatus(key),
      recall: (namespace) => this.#recall(namespace),
      recordEvent: (object, reason, message) => {
        const key = objectKey(object);
        this.history.addOfHub(key, reason, message, this.#sessions.get(key)?.hub);
        this.#events?.record({ object, type: "Warning", reason, message });
      },
      listsChanged: () => this.#listsChanged(),
    });
    this.#defaultRules = new DefaultRules(client, options, this.#rulesContext(), deps);
    this.#sidecars = new Sidecars(client, options.rootNamespace, this.#sidecarsContext(), deps);
  }

  /** What it knows now, for whoever only looks. */
  get knowledge(): {
    readonly hubs: HubCluster["hubs"]["objects"];
    readonly entries: HubCluster["entries"];
    readonly sessions: readonly HubSession[];
  } {
    const { hubs, entries } = this.#cluster;
    return { hubs: hubs.objects, entries, sessions: this.#sessions.ordered };
  }

  /** Names of the queues that have worked on one key for longer than `ms`. */
  stuckLoops(ms: Ms): readonly string[] {
    const queues = { hosts: this.#hostQueue, status: this.#statusQueue, rules: this.#defaultRules };
    return Object.entries(queues).flatMap(([name, queue]) => ((queue?.longestRunMs ?? 0) > ms ? [name] : []));
  }

  /** Works until `signal` aborts. @throws only on a bug that concerns more than one key. */
  async run(signal: AbortSignal): Promise<void> {
    const broken = new AbortController();
    const running = AbortSignal.any([signal, broken.signal]);
    const events = createEventRecorder(
      this.#client,
      fieldManagers.registryhub,
      this.#metrics,
      this.#deps,
      running,
    );
    this.#events = events;
    const context = this.#context();
    const pool = vipPool(this.#options.vipCidr);
    const recall = (namespace: string): void => this.#recall(namespace);
    const tools = {
      client: this.#client,
      events,
      metrics: this.#metrics,
      deps: this.#deps,
      signal: running,
      recall,
    };
    const { concurrency, dubboPorts, hubSelector, emptyGraceMs: graceMs } = this.#options;
    const isLane = hubSelector.text !== "";
    const hosts = new HostWorker(context, { pool, graceMs, dubboPorts, isLane }, tools);
    const statuses = new StatusWorker(context, tools);
    const hostQueue = new WorkQueue((host) => hosts.work(host), concurrency, this.#deps, {
      sliceBegins: () => this.#metrics.sliceBegins("hosts"),
      onBug: (host, error) => hosts.failedBy(host, error),
    });
    this.#hostQueue = hostQueue;
    this.#statusQueue = new WorkQueue((key) => statuses.work(key), statusConcurrency, this.#deps, {
      sliceBegins: () => this.#metrics.sliceBegins("status"),
      onBug: (key, error) => {
        reportBug(tools, "status", { hub: key }, error);
        return { failed: true };
      },
    });
    this.#subscribe();
    const { hubs, namespaces, serviceEntries, services, meshSettings } = this.#cluster;
    const lists = [hubs, namespaces, serviceEntries, services];
    const loops = [...lists, meshSettings, this.#sidecars, this.#hostQueue, this.#statusQueue];
    this.#metrics.beforeRender(() => this.#measure(pool));
    try {
      await Promise.all([...loops.map((loop) => loop.run(running)), this.#defaultRules.run(tools)]);
    } finally {
      this.#sessions.close();
      broken.abort();
    }
  }

  #context(): HostContext & StatusContext {
    const { hubs, entries, serviceEntries, services, namespaces, meshSettings: settings } = this.#cluster;
    return {
      hubs,
      entries,
      unexplained: this.#unexplained,
      history: this.history,
      serviceEntries,
      services,
      mesh: { namespaces, settings },
      defaultRules: this.#defaultRules,
      sidecars: this.#sidecars,
      speaksMtls: (endpoint) => this.#sidecars.speaksMtls(endpoint),
      serviceAt: (host) => serviceAt(host, services),
      isReady: () => this.#isReady,
      sessions: () => this.#sessions.ordered,
      claimants: () => this.#sessions.claimants,
      isOfOtherLane: (key: HubKey) => this.#sessions.isOfOtherLane(key),
      ownerElsewhere: (host, entry) => this.#sessions.ownerElsewhere(host, entry),
      session: (key: HubKey) => this.#sessions.get(key),
      unserved: (key: HubKey) => this.#sessions.unserved(key),
      targetProblem: ({ hub }: Claimant) => this.#cluster.targetProblem(hub),
      isStarting: () => this.#cluster.isStarting,
      isBlind: () => this.#cluster.isBlind,
      waitsFor: (target) => this.#waitsFor(target),
      failure: ({ hub }: HubSession) => this.#cluster.failureOf(hub),
      goneInMs: (key: HubKey) => this.#sessions.goneInMs(key),
    };
  }

  #rulesContext(): DefaultRulesContext {
    return {
      isReady: () => this.#isReady,
      claimants: () => this.#sessions.claimants,
      hubs: this.#cluster.hubs.objects,
      goneInMs: (key) => this.#sessions.goneInMs(key),
      targetProblem: ({ hub }) => this.#cluster.targetProblem(hub),
      changed: (target) => this.#enqueueStatuses(target),
    };
  }

  #sidecarsContext(): SidecarsContext {
    return {
      serviceEntries: this.#cluster.serviceEntries.objects,
      plainHubs: () => {
        const hubs = this.#sessions.claimants.map(({ hub }) => hub);
        return new Set(hubs.filter(({ identity }) => identity === "none").map(({ id }) => id));
      },
      differs: (entry) => this.#enqueueHosts(this.#cluster.entries.hostsAt(entry), "look"),
      changed: () => this.#listsChanged(),
    };
  }

  #subscribe(): void {
    const { hubs, namespaces, serviceEntries, services, meshSettings } = this.#cluster;
    meshSettings.onChange(() => this.#enqueueAllStatuses());
    serviceEntries.subscribe((keys) => {
      for (const key of keys) this.#takeEntry(key);
      this.#listsChanged();
    });
    namespaces.subscribe((names) => {
      for (const name of names) this.#recall(name);
      this.#sessions.each((session) => session.lookAtTarget());
      this.#defaultRules.lookAtAll();
      this.#listsChanged();
    });
    services.subscribe((keys) => this.#servicesChanged(keys));
    hubs.subscribe((keys) => {
      for (const key of keys) {
        this.#sessions.take(key);
        this.#defaultRules.take(key);
      }
      if (hubs.status.state !== "synced") this.#sessions.listLost();
      this.#listsChanged();
    });
  }

  /** While the state of the list is unchanged, a Service concerns only the hubs that list a host of its name. */
  #servicesChanged(keys: ReadonlySet<ObjectKey>): void {
    const { state } = this.#cluster.services.status;
    const concernsAll = keys.size === 0 || state !== this.#servicesState;
    this.#servicesState = state;
    const hosts = [...keys].map(hostOfService);
    for (const { hub, listings } of this.#sessions.ordered) {
      const shadowed = hosts.filter((host) => listings.has(host));
      this.#enqueueHosts(shadowed, "look");
      if (concernsAll || shadowed.length > 0) this.#enqueueStatus(hub.key);
    }
  }

  /** Nothing is decided while a list is incomplete. Once all are complete, every host is queued again. */
  #listsChanged(): void {
    const wasReady = this.#isReady;
    this.#isReady = this.#cluster.isReady && !this.#sidecars.isStarting;
    if (this.#isReady && !wasReady) {
      this.#hostQueue?.retryAll();
      this.#enqueueHosts(this.#cluster.entries.hosts(), "look");
      this.#sessions.each((session) => session.lookAtAll.ask());
      this.#defaultRules.lookAtAll();
    }
    if (this.#cluster.endsBlindness()) this.#sessions.restart();
    this.#sessions.connect();
    this.#enqueueAllStatuses();
  }

  #takeEntry(key: ObjectKey): void {
    const { entries } = this.#cluster;
    try {
      const owners = entries.ownersAt(key);
      this.#enqueueHosts(entries.update(key), this.#isReady ? "changed" : "look");
      for (const owner of [...owners, ...entries.ownersAt(key)]) {
        this.#enqueueStatus(owner);
        this.#sessions.get(owner)?.lookForRoom.ask();
      }
    } catch (error) {
      reportBug({ deps: this.#deps, metrics: this.#metrics }, "object", { serviceEntry: key }, error);
    }
  }

  #waitsFor(target: string): ReturnType<WorkQueue["waitsFor"]> {
    // What was planned before a registry was listed is nothing to tell of. A hub without a status does not wait for that.
    const looksAtAll = this.#sessions.ordered.some(
      ({ hub, lookAtAll, isSynced }) =>
        hub.target === target && (isSynced ? lookAtAll.isDue : lookAtAll.isOn),
    );
    return looksAtAll ? "slice" : (this.#hostQueue?.waitsFor(target) ?? "nothing");
  }

  #recall(namespace: string): void {
    this.#hostQueue?.recall(namespace);
    this.#defaultRules.recall(namespace);
  }

  #enqueueStatuses(target: string): void {
    for (const { hub } of this.#sessions.ordered) if (hub.target === target) this.#enqueueStatus(hub.key);
  }

  #enqueueAllStatuses(): void {
    for (const key of this.#sessions.keys()) this.#enqueueStatus(key);
  }

  #enqueueStatus(key: HubKey): void {
    if (this.#sessions.has(key)) this.#statusQueue?.addAfter(key, statusDelayMs);
  }

  #enqueueHosts(hosts: Iterable<HostKey>, urgency: Urgency): void {
    for (const host of hosts) this.#hostQueue?.add(host, urgency);
  }

  #measure(pool: VipPool): void {
    this.#metrics.queueDepth("hosts", this.#hostQueue?.depth ?? 0);
    this.#metrics.queueDepth("status", this.#statusQueue?.depth ?? 0);
    this.#metrics.unexplainedEntries(this.#unexplained.size);
    this.#metrics.vipPool(pool.size, [...this.#cluster.entries.ips()].filter((ip) => pool.has(ip)).length);
  }
}
