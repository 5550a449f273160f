import type { KubeClient } from "../../kube/client.ts";
import { createEventRecorder } from "../../kube/events.ts";
import type { ObjectKey } from "../../kube/resources.ts";
import type { HostKey, Ms } from "../../model/entry.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { type VipPool, vipPool } from "../../plan/vip.ts";
import { registries } from "../../registries/index.ts";
import { pause } from "../../runtime/clock.ts";
import type { HubMetrics } from "../../runtime/metrics.ts";
import { nothingRemembered, type RememberedTrust, rememberedTrust } from "../../status/memory.ts";
import { readHub } from "../../translate/read-back/hub.ts";
import { readStatus } from "../../translate/read-back/hub-status.ts";
import { type Outcome, WorkQueue } from "../writes/queue.ts";
import type { Urgency } from "../writes/ready-keys.ts";
import { isWatched, type TargetRules } from "../writes/target-namespace.ts";
import { HubCluster } from "./cluster.ts";
import type { HubDeps } from "./connection.ts";
import { credentialsOf } from "./credentials.ts";
import { DeletedHubs } from "./deleted-hubs.ts";
import { isSameRegistry } from "./edits.ts";
import { HeldBack } from "./held-back-statuses.ts";
import { type ClaimingHub, type HostContext, HostWorker } from "./host-worker.ts";
import { HubSession, type SessionHooks } from "./session.ts";
import { hostOfService, type Services } from "./shadowing-services.ts";
import { type StatusContext, StatusWorker } from "./status-worker.ts";

/** A hub that is missing for a shorter time may be in the middle of a re-creation. */
const goneAfterMs = 60_000;
/** Secrets are re-read, not watched: the right to watch them is the right to list all of them. */
const credentialsMs = 300_000;
const statusConcurrency = 4;
/** Merges simultaneous changes into one look at a hub's status. */
const statusDelayMs = 100;

export interface HubControllerOptions extends TargetRules {
  readonly vipCidr: string;
  readonly concurrency: number;
  readonly emptyGraceMs: Ms;
  readonly shrinkHoldMs: Ms;
  readonly resetHoldMs: Ms;
  readonly settleFactor: number;
}

/** RegistryHubs and what their registries list -> ServiceEntries and the hubs' status. */
export class HubController {
  readonly #options: HubControllerOptions;
  readonly #client: KubeClient;
  readonly #metrics: HubMetrics;
  readonly #deps: HubDeps;
  readonly #cluster: HubCluster;
  readonly #gone: DeletedHubs;
  readonly #sessions = new Map<HubKey, HubSession>();
  #ordered: readonly HubSession[] = [];
  #hostQueue: WorkQueue | undefined;
  #statusQueue: WorkQueue | undefined;
  #crash: (error: unknown) => void = () => undefined;
  #reportHold: (hub: KubeObject, reason: "Shrunk" | "RegistryReset") => void = () => undefined;
  /** The newest status of each hub, with the hub of that time. A re-created hub inherits its origin and its hold. */
  readonly #statuses = new Map<HubKey, { readonly hub: Hub; readonly status: HubStatus }>();
  #isReady = false;
  #servicesState: Services["status"]["state"] = "pending";
  #running: AbortSignal = AbortSignal.abort();

  constructor(options: HubControllerOptions, client: KubeClient, metrics: HubMetrics, deps: HubDeps) {
    this.#options = options;
    this.#client = client;
    this.#metrics = metrics;
    this.#deps = deps;
    this.#cluster = new HubCluster(client, options, deps);
    const exists = (key: HubKey): Promise<boolean> => this.#cluster.hasHub(key, this.#running);
    this.#gone = new DeletedHubs(deps.clock, goneAfterMs * options.settleFactor, exists);
  }

  /** Names of the queues that have worked on one key for longer than `ms`. */
  stuckLoops(ms: Ms): readonly string[] {
    const queues = { hosts: this.#hostQueue, status: this.#statusQueue };
    return Object.entries(queues).flatMap(([name, queue]) => ((queue?.longestRunMs ?? 0) > ms ? [name] : []));
  }

  /** Works until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    const broken = new AbortController();
    const running = AbortSignal.any([signal, broken.signal]);
    this.#running = running;
    const events = createEventRecorder(
      this.#client,
      fieldManagers.registryhub,
      this.#metrics,
      this.#deps,
      running,
    );
    const world = this.#world();
    const pool = vipPool(this.#options.vipCidr);
    const recall = (namespace: string): void => this.#hostQueue?.recall(namespace);
    const tools = {
      client: this.#client,
      events,
      metrics: this.#metrics,
      deps: this.#deps,
      signal: running,
      recall,
    };
    const hosts = new HostWorker(world, { pool, graceMs: this.#options.emptyGraceMs }, tools);
    const statuses = new StatusWorker(world, tools);
    const { concurrency } = this.#options;
    const hooks = (loop: string) => ({ sliceBegins: () => this.#metrics.sliceBegins(loop) });
    const hostQueue = new WorkQueue((host) => hosts.work(host), concurrency, this.#deps, hooks("hosts"));
    this.#hostQueue = hostQueue;
    const heldBack = new HeldBack(this.#deps.clock, hostQueue);
    const workStatus = async (key: HubKey): Promise<Outcome> => {
      const againInMs = heldBack.againInMs(key, this.#sessions.get(key)?.hub.target ?? "");
      return againInMs === undefined ? statuses.work(key) : { againInMs };
    };
    this.#statusQueue = new WorkQueue(workStatus, statusConcurrency, this.#deps, hooks("status"));
    const crashed = new Promise<never>((_, reject) => {
      this.#crash = reject;
    });
    this.#reportHold = (hub, reason) =>
      events.record({ object: hub, type: "Warning", reason, message: holdMessages[reason] });
    this.#subscribe();
    const { hubs, namespaces, serviceEntries, services } = this.#cluster;
    const loops = [hubs, namespaces, serviceEntries, services, this.#hostQueue, this.#statusQueue];
    this.#metrics.beforeRender(() => this.#measure(pool));
    try {
      await Promise.race([Promise.all(loops.map((loop) => loop.run(running))), crashed]);
    } finally {
      for (const session of this.#sessions.values()) session.close();
      broken.abort();
    }
  }

  #world(): HostContext & StatusContext {
    const { hubs, entries, serviceEntries, services } = this.#cluster;
    return {
      hubs,
      entries,
      serviceEntries,
      services,
      isReady: () => this.#isReady,
      sessions: () => this.#ordered,
      session: (key: HubKey) => this.#sessions.get(key),
      targetProblem: ({ hub }: ClaimingHub) => this.#cluster.targetProblem(hub),
      isStarting: () => this.#cluster.isStarting,
      isBlind: () => this.#cluster.isBlind,
      failure: ({ hub }: HubSession) => this.#cluster.failureOf(hub),
      goneInMs: (key: HubKey) => this.#goneInMs(key),
    };
  }

  #subscribe(): void {
    const { hubs, namespaces, serviceEntries, services, entries } = this.#cluster;
    serviceEntries.subscribe((keys) => {
      for (const key of keys) {
        const owners = entries.ownersAt(key);
        this.#enqueueHosts(entries.update(key), this.#isReady ? "changed" : "look");
        for (const owner of [...owners, ...entries.ownersAt(key)]) this.#enqueueStatus(owner);
      }
      this.#listsChanged();
    });
    namespaces.subscribe((names) => {
      for (const name of names) this.#hostQueue?.recall(name);
      for (const session of this.#ordered) session.lookAtTarget();
      this.#listsChanged();
    });
    services.subscribe((keys) => this.#servicesChanged(keys));
    hubs.subscribe((keys) => {
      for (const key of keys) this.#takeHub(key);
      if (hubs.status.state !== "synced") this.#gone.reset();
      this.#listsChanged();
    });
  }

  /** While the state of the list is unchanged, a Service concerns only the hubs that list a host of its name. */
  #servicesChanged(keys: ReadonlySet<ObjectKey>): void {
    const { state } = this.#cluster.services.status;
    const concernsAll = keys.size === 0 || state !== this.#servicesState;
    this.#servicesState = state;
    const hosts = [...keys].map(hostOfService);
    for (const { hub, listings } of this.#ordered)
      if (concernsAll || hosts.some((host) => listings.has(host))) this.#enqueueStatus(hub.key);
  }

  /** Nothing is decided while a list is incomplete. Once all are complete, every host is queued again. */
  #listsChanged(): void {
    const wasReady = this.#isReady;
    this.#isReady = this.#cluster.isReady;
    if (this.#isReady && !wasReady) {
      this.#hostQueue?.retryAll();
      this.#enqueueHosts(this.#cluster.entries.hosts(), "look");
      for (const session of this.#ordered) session.enqueueAllHosts();
    }
    if (this.#cluster.endsBlindness()) {
      for (const session of this.#ordered) {
        this.#dropHub(session);
        this.#takeHub(session.hub.key);
      }
    }
    for (const session of this.#ordered) {
      this.#connect(session);
      this.#enqueueStatus(session.hub.key);
    }
  }

  #connect(session: HubSession): void {
    if (this.#cluster.knowsEntries(() => this.#listsChanged())) session.connect();
  }

  #takeHub(key: HubKey): void {
    const object = this.#cluster.hubs.objects.get(key);
    const session = this.#sessions.get(key);
    if (object === undefined || !isWatched(object.metadata.namespace ?? "", this.#options)) {
      if (session) this.#dropHub(session);
      void this.#forgetWhenGone(key);
      return;
    }
    this.#gone.seen(key);
    const reading = readHub(object);
    if ("problem" in reading) {
      const error = reading.problem.detail;
      this.#deps.logger.warn("the hub cannot be read; its entries stay", { hub: key, error });
      if (session) this.#dropHub(session);
      return;
    }
    const { hub } = reading;
    const status = readStatus(object.status);
    if (session === undefined) {
      const memory = status === undefined ? this.#rememberedOf(hub) : rememberedTrust(status, hub);
      const added = new HubSession(hub, memory, this.#cluster.entries, this.#deps, this.#hooks(key));
      this.#sessions.set(key, added);
      this.#order();
      this.#connect(added);
      this.#hostQueue?.recall(hub.target);
      added.enqueueAllHosts();
      if (object.status === undefined) this.#statusQueue?.add(key, "changed");
    } else if (
      session.hub.generation !== hub.generation ||
      session.hub.releaseHold !== hub.releaseHold ||
      session.hub.uid !== hub.uid
    ) {
      session.update(hub);
      this.#hostQueue?.recall(hub.target);
      this.#order();
    }
    if (status?.observedGeneration === hub.generation) this.#statuses.set(key, { hub, status });
  }

  /** What this process remembers about a re-created hub; nothing if it now has another registry. */
  #rememberedOf(hub: Hub): RememberedTrust {
    const before = this.#statuses.get(hub.key);
    if (before === undefined || !isSameRegistry(before.hub, hub)) return nothingRemembered;
    return rememberedTrust(before.status, { ...hub, generation: before.status.observedGeneration });
  }

  #dropHub(session: HubSession): void {
    session.close();
    this.#sessions.delete(session.hub.key);
    this.#order();
    this.#metrics.forgetHub(session.hub.key);
    session.enqueueAllHosts();
  }

  /** Nobody asks about a hub that owned nothing: what its status said has to be forgotten all the same. */
  async #forgetWhenGone(key: HubKey): Promise<void> {
    while (!this.#running.aborted && this.#statuses.has(key) && !this.#sessions.has(key)) {
      const isKnown = this.#cluster.hubs.status.state === "synced";
      const inMs = isKnown ? this.#goneInMs(key) : undefined;
      await pause(this.#deps.clock, inMs ?? goneAfterMs, this.#running);
    }
  }

  #order(): void {
    const age = ({ hub }: HubSession): string => `${hub.createdAt} ${hub.key}`;
    this.#ordered = [...this.#sessions.values()].sort((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  #hooks(key: HubKey): SessionHooks {
    const { shrinkHoldMs, resetHoldMs, settleFactor } = this.#options;
    return {
      enqueueHosts: (hosts: Iterable<HostKey>, urgency: Urgency) => this.#enqueueHosts(hosts, urgency),
      enqueueStatus: () => this.#enqueueStatus(key),
      targetTakes: (hub: Hub) => {
        if (this.#cluster.namespaces.status.state === "pending") return undefined;
        return this.#cluster.targetProblem(hub) === undefined;
      },
      limitsFor: (hub: Hub) => ({
        settleMs: registries[hub.registry.type].settleMs * settleFactor,
        settleAfterLossMs: registries[hub.registry.type].settleAfterLossMs * settleFactor,
        shrinkHoldMs,
        resetHoldMs,
      }),
      credentialsMs: credentialsMs * settleFactor,
      readCredentials: (hub: Hub, signal: AbortSignal) => credentialsOf(this.#client, hub, signal),
      onHoldBegan: (reason: "Shrunk" | "RegistryReset") => {
        const hub = this.#cluster.hubs.objects.get(key);
        if (hub) this.#reportHold(hub, reason);
      },
      crash: (error: unknown) => this.#crash(error),
    };
  }

  #goneInMs(key: HubKey): Ms | undefined {
    if (!isWatched(splitKey(key)[0], this.#options)) return undefined;
    const goneInMs = this.#gone.goneInMs(key);
    if (goneInMs === 0) this.#statuses.delete(key);
    return goneInMs;
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
    this.#metrics.vipPool(pool.size, [...this.#cluster.entries.ips()].filter((ip) => pool.has(ip)).length);
  }
}

const holdMessages = {
  Shrunk:
    "many services lost their last instance at once; the operator keeps those instances until status.hold.until",
  RegistryReset:
    "the registry lost its data; the operator removes nothing until the registry lists 80 % of it again or until status.hold.until",
} as const;
