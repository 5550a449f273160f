import type { KubeClient } from "../kube/client.ts";
import { createEventRecorder } from "../kube/events.ts";
import { createReflector, type Reflector } from "../kube/reflector.ts";
import { type KubeObject, resources } from "../kube/resources.ts";
import { readSecret } from "../kube/secrets.ts";
import type { HostKey, Ms } from "../model/entry.ts";
import { RegistryError } from "../model/errors.ts";
import { type Credentials, type Hub, type HubKey, parseHub, type RegistryHub } from "../model/hub.ts";
import type { ServiceEntry } from "../model/istio.ts";
import { managers } from "../model/labels.ts";
import { type VipPool, vipPool } from "../plan/vip.ts";
import { settleMs } from "../registries/index.ts";
import type { Deps } from "../runtime/deps.ts";
import type { HubMetrics } from "../runtime/metrics.ts";
import type { ApplyFailure } from "../status/hub-status.ts";
import { EntryIndex } from "./entries.ts";
import { failureOf } from "./entry-writer.ts";
import { GoneHubs } from "./gone-hubs.ts";
import { HostWorker } from "./host-worker.ts";
import { HubSession } from "./hub-session.ts";
import { WorkQueue } from "./queue.ts";
import { StatusWorker } from "./status-worker.ts";
import { isWatched, type Namespace, type TargetRules, targetProblem } from "./targets.ts";

/** A hub that is missing for less long may be in the middle of being re-created. */
const goneAfterMs = 60_000;
const statusConcurrency = 4;
/** Merges what happens in one moment into one look at a hub's status. */
const statusDelayMs = 100;
const measureMs = 5_000;

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
  readonly #deps: Deps;
  readonly #hubs: Reflector<RegistryHub>;
  readonly #namespaces: Reflector<Namespace & KubeObject>;
  readonly #serviceEntries: Reflector<ServiceEntry>;
  readonly #entries: EntryIndex;
  readonly #gone: GoneHubs;
  readonly #sessions = new Map<HubKey, HubSession>();
  #ordered: readonly HubSession[] = [];
  #hostQueue: WorkQueue | undefined;
  #statusQueue: WorkQueue | undefined;
  #crash: (error: unknown) => void = () => undefined;
  #isReady = false;

  constructor(options: HubControllerOptions, client: KubeClient, metrics: HubMetrics, deps: Deps) {
    this.#options = options;
    this.#client = client;
    this.#metrics = metrics;
    this.#deps = deps;
    this.#hubs = createReflector<RegistryHub>(client, resources.registryHubs, {}, deps);
    this.#namespaces = createReflector<Namespace & KubeObject>(
      client,
      resources.namespaces,
      { transform: slim },
      deps,
    );
    this.#serviceEntries = createReflector<ServiceEntry>(
      client,
      resources.serviceEntries,
      { transform: ownFields },
      deps,
    );
    this.#entries = new EntryIndex(this.#serviceEntries.objects);
    this.#gone = new GoneHubs(deps.clock, goneAfterMs * options.settleFactor);
  }

  /** Names of queues on which one key has been worked for longer than `ms`. */
  stuckLoops(ms: Ms): readonly string[] {
    const queues = { hosts: this.#hostQueue, status: this.#statusQueue };
    return Object.entries(queues).flatMap(([name, queue]) => ((queue?.longestRunMs ?? 0) > ms ? [name] : []));
  }

  /** Works until `signal` aborts. @throws only what is a bug. */
  async run(signal: AbortSignal): Promise<void> {
    const broken = new AbortController();
    const running = AbortSignal.any([signal, broken.signal]);
    const events = createEventRecorder(this.#client, managers.registryhub, this.#deps, running);
    const world = this.#world();
    const pool = vipPool(this.#options.vipCidr);
    const options = { pool, graceMs: this.#options.emptyGraceMs };
    const tools = { client: this.#client, events, metrics: this.#metrics, deps: this.#deps, signal: running };
    const hosts = new HostWorker(world, options, tools);
    const statuses = new StatusWorker(world, tools);
    this.#hostQueue = new WorkQueue((host) => hosts.work(host), this.#options.concurrency, this.#deps);
    this.#statusQueue = new WorkQueue((key) => statuses.work(key), statusConcurrency, this.#deps);
    const crashed = new Promise<never>((_, reject) => {
      this.#crash = reject;
    });
    this.#subscribe((hub, reason) =>
      events.record({ object: hub, type: "Warning", reason, message: holdMessages[reason] }),
    );
    const loops = [this.#hubs, this.#namespaces, this.#serviceEntries, this.#hostQueue, this.#statusQueue];
    const gauges = this.#measureUntil(running, pool);
    try {
      await Promise.race([Promise.all(loops.map((loop) => loop.run(running))), crashed]);
    } finally {
      for (const session of this.#sessions.values()) session.close();
      broken.abort();
      await gauges;
    }
  }

  #world() {
    return {
      hubs: this.#hubs,
      entries: this.#entries,
      serviceEntries: this.#serviceEntries,
      isReady: () => this.#isReady,
      sessions: () => this.#ordered,
      session: (key: HubKey) => this.#sessions.get(key),
      targetProblem: ({ hub }: HubSession) => targetProblem(hub, this.#namespaces.objects, this.#options),
      isStarting: () => this.#isStarting(),
      failure: (session: HubSession) => this.#failure(session),
      goneInMs: (key: HubKey) => this.#goneInMs(key),
    };
  }

  #subscribe(noteHold: (hub: RegistryHub, reason: "Shrunk" | "RegistryReset") => void): void {
    this.#serviceEntries.subscribe((keys) => {
      for (const key of keys) {
        for (const id of this.#ownersAt(key)) this.#touchStatus(id);
        this.#touch(this.#entries.update(key));
        for (const id of this.#ownersAt(key)) this.#touchStatus(id);
      }
      this.#listsChanged();
    });
    this.#namespaces.subscribe((names) => {
      for (const session of this.#ordered) {
        if (!names.has(session.hub.target)) continue;
        session.touchAll();
        session.touchStatus();
      }
      this.#listsChanged();
    });
    this.#hubs.subscribe((keys) => {
      for (const key of keys) this.#takeHub(key, noteHold);
      if (this.#hubs.status.state !== "synced") this.#gone.reset();
      this.#listsChanged();
    });
  }

  /** Nothing is decided on lists that are not complete; when they become so, everything is looked at. */
  #listsChanged(): void {
    const lists = [this.#hubs, this.#namespaces, this.#serviceEntries];
    const isReady = lists.every((list) => list.status.state === "synced");
    if (isReady && !this.#isReady) {
      this.#isReady = true;
      this.#hostQueue?.retryAll();
      this.#touch(this.#entries.hosts());
      for (const session of this.#ordered) session.touchAll();
    }
    this.#isReady = isReady;
    for (const session of this.#ordered) {
      if (this.#knowsEntries()) session.connect();
      session.touchStatus();
    }
  }

  #takeHub(key: HubKey, noteHold: (hub: RegistryHub, reason: "Shrunk" | "RegistryReset") => void): void {
    const object = this.#hubs.objects.get(key);
    const session = this.#sessions.get(key);
    if (object === undefined || !isWatched(object.metadata.namespace ?? "", this.#options)) {
      if (session) this.#dropHub(session);
      return;
    }
    this.#gone.seen(key);
    const hub = parseHub(object);
    if (session === undefined) {
      const hooks = this.#hooks(key, (reason) => noteHold(this.#hubs.objects.get(key) ?? object, reason));
      this.#sessions.set(key, new HubSession(hub, object.status, this.#entries, this.#deps, hooks));
      this.#order();
      if (this.#knowsEntries()) this.#sessions.get(key)?.connect();
      this.#sessions.get(key)?.touchAll();
      if (object.status === undefined) this.#statusQueue?.add(key);
    } else if (
      session.hub.generation !== hub.generation ||
      session.hub.releaseHold !== hub.releaseHold ||
      session.hub.uid !== hub.uid
    ) {
      session.update(hub);
      this.#order();
    }
  }

  #dropHub(session: HubSession): void {
    session.close();
    this.#sessions.delete(session.hub.key);
    this.#order();
    this.#metrics.forgetHub(session.hub.key);
    session.touchAll();
  }

  #order(): void {
    const age = ({ hub }: HubSession): string => `${hub.createdAt} ${hub.key}`;
    this.#ordered = [...this.#sessions.values()].sort((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  #hooks(key: HubKey, note: (reason: "Shrunk" | "RegistryReset") => void) {
    const { shrinkHoldMs, resetHoldMs, settleFactor } = this.#options;
    return {
      touch: (hosts: Iterable<HostKey>) => this.#touch(hosts),
      touchStatus: () => this.#statusQueue?.addAfter(key, statusDelayMs),
      limitsFor: (hub: Hub) => ({
        settleMs: settleMs[hub.registry.type] * settleFactor,
        shrinkHoldMs,
        resetHoldMs,
      }),
      readCredentials: (hub: Hub, signal: AbortSignal) => this.#readCredentials(hub, signal),
      note,
      crash: (error: unknown) => this.#crash(error),
    };
  }

  async #readCredentials(hub: Hub, signal: AbortSignal): Promise<Credentials> {
    const nextStep =
      "Fix the Secret of spec.secretRef in the hub's namespace; the operator retries by itself.";
    const reading = await readSecret(this.#client, hub.namespace, hub.secretName ?? "", signal).catch(
      (error: unknown) => {
        throw new RegistryError("SecretInvalid", (error as Error).message, nextStep, { cause: error });
      },
    );
    if ("credentials" in reading) return reading.credentials;
    throw new RegistryError("SecretInvalid", reading.problem, nextStep);
  }

  #goneInMs(key: HubKey): Ms | undefined {
    if (!isWatched(key.split("/")[0] ?? "", this.#options)) return undefined;
    return this.#gone.goneInMs(key);
  }

  #failure(session: HubSession): ApplyFailure | undefined {
    for (const { status } of [this.#serviceEntries, this.#namespaces]) {
      if (status.state === "synced" || status.error === undefined) continue;
      // A watch that breaks comes back by itself; only what the server refuses stays.
      if (status.state === "pending" || status.error.status >= 400) return failureOf(status.error);
    }
    if (this.#namespaces.status.state === "pending") return undefined;
    return targetProblem(session.hub, this.#namespaces.objects, this.#options);
  }

  /** Whether the ServiceEntries that the cluster has are known; without Istio's CRDs there are none. */
  #knowsEntries(): boolean {
    const { status } = this.#serviceEntries;
    return status.state !== "pending" || status.error?.reason === "ResourceTypeMissing";
  }

  #isStarting(): boolean {
    const lists = [this.#serviceEntries, this.#namespaces].map((list) => list.status);
    return (
      this.#hubs.status.state !== "synced" ||
      lists.some((status) => status.state === "pending" && status.error === undefined)
    );
  }

  #touch(hosts: Iterable<HostKey>): void {
    for (const host of hosts) this.#hostQueue?.add(host);
  }

  #ownersAt(key: string): readonly HubKey[] {
    return this.#entries.ownersAt(key);
  }

  #touchStatus(key: HubKey): void {
    this.#sessions.get(key)?.touchStatus();
  }

  async #measureUntil(signal: AbortSignal, pool: VipPool): Promise<void> {
    while (!signal.aborted) {
      this.#metrics.queueDepth("hosts", this.#hostQueue?.depth ?? 0);
      this.#metrics.queueDepth("status", this.#statusQueue?.depth ?? 0);
      this.#metrics.vipPool(pool.size, [...this.#entries.ips()].filter((ip) => pool.has(ip)).length);
      await this.#deps.clock.sleep(measureMs, signal).catch(() => undefined);
    }
  }
}

const holdMessages = {
  Shrunk: "many services lost their last instance at once; removals are held until status.hold.until",
  RegistryReset:
    "the registry lost its data; removals are held until it lists 80 % of it again or status.hold.until",
} as const;

function slim({ metadata }: Namespace & KubeObject): Namespace & KubeObject {
  const { name, uid, resourceVersion, annotations, deletionTimestamp } = metadata;
  return {
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(annotations !== undefined && { annotations }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
  };
}

/** Of managedFields only who wrote when is of interest, and only if it was us. */
function ownFields(object: ServiceEntry): ServiceEntry {
  const managedFields = (object.metadata.managedFields ?? [])
    .filter((one) => one.manager === managers.registryhub && one.subresource === undefined)
    .map(({ manager, time }) => ({
      ...(manager !== undefined && { manager }),
      ...(time !== undefined && { time }),
    }));
  return { ...object, metadata: { ...object.metadata, managedFields } };
}
