import type { KubeClient } from "../../kube/client.ts";
import type { Ms } from "../../model/entry.ts";
import type { Hub, HubId, HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import type { HubStatus, RegistryHub } from "../../model/registryhub.ts";
import { registries } from "../../registries/index.ts";
import { pause } from "../../runtime/clock.ts";
import type { HubMetrics } from "../../runtime/metrics.ts";
import { nothingRemembered, type RememberedTrust, rememberedTrust } from "../../status/memory.ts";
import { hubIdOf } from "../../translate/names.ts";
import { readHub, type SpecProblem } from "../../translate/read-back/hub.ts";
import { readStatus } from "../../translate/read-back/hub-status.ts";
import { isWatched, type TargetRules } from "../writes/target-namespace.ts";
import type { HubCluster } from "./cluster.ts";
import type { HubDeps } from "./connection.ts";
import { credentialsOf } from "./credentials.ts";
import { DeletedHubs } from "./deleted-hubs.ts";
import { isSameRegistry } from "./edits.ts";
import { HubSession, type SessionHooks } from "./session.ts";
import { type HubVersion, type UnservedHub, UnservedHubs } from "./unserved-hubs.ts";

/** A hub that is missing for a shorter time may be in the middle of a re-creation. */
const goneAfterMs = 60_000;
/** Secrets are re-read, not watched: the right to watch them is the right to list all of them. */
const credentialsMs = 300_000;

export interface HubSessionsOptions extends TargetRules {
  readonly shrinkHoldMs: Ms;
  readonly resetHoldMs: Ms;
  readonly settleFactor: number;
  readonly maxServicesPerHub: number;
}

/** The surroundings of the sessions. */
export interface HubSessionsPlace {
  readonly cluster: HubCluster;
  readonly client: KubeClient;
  readonly metrics: HubMetrics;
  readonly deps: HubDeps;
}

/** What the sessions need from their controller. */
export interface HubSessionsHooks extends Pick<SessionHooks, "enqueueHosts" | "enqueueStatus"> {
  /** An edit of a hub may have ended the reason of refused writes in the namespace. */
  recall(namespace: string): void;
  /** Records a Warning on the hub. */
  recordEvent(hub: KubeObject, reason: string, message: string): void;
  /** The cluster's ServiceEntries may be known now, so that sessions may connect. */
  listsChanged(): void;
}

/** A status, with the hub that it describes; undefined = the status is of an earlier or an unreadable spec. */
interface Memory {
  readonly hub: Hub | undefined;
  readonly status: HubStatus;
}

/** The hubs that exist: a session for each, or why it has none. A bug in one of them stops no other. */
export class HubSessions {
  readonly #place: HubSessionsPlace;
  readonly #options: HubSessionsOptions;
  readonly #hooks: HubSessionsHooks;
  readonly #gone: DeletedHubs;
  readonly #unserved: UnservedHubs;
  readonly #sessions = new Map<HubKey, HubSession>();
  /** Every hub that exists. Somebody may have given several of them names with one id. */
  readonly #byId = new Map<HubId, Set<HubKey>>();
  /** The newest status of each hub. A re-created hub inherits its origin and its hold. */
  readonly #memories = new Map<HubKey, Memory>();
  readonly #closed = new AbortController();
  #ordered: readonly HubSession[] = [];

  constructor(place: HubSessionsPlace, options: HubSessionsOptions, hooks: HubSessionsHooks) {
    const { cluster, deps } = place;
    this.#place = place;
    this.#options = options;
    this.#hooks = hooks;
    const exists = (key: HubKey): Promise<boolean> => cluster.hasHub(key, this.#closed.signal);
    this.#gone = new DeletedHubs(deps.clock, goneAfterMs * options.settleFactor, exists);
    this.#unserved = new UnservedHubs(place, {
      retry: (key) => this.take(key),
      recordEvent: (key, message) => this.#recordEvent(key, "InternalError", message),
    });
  }

  /** Oldest first. */
  get ordered(): readonly HubSession[] {
    return this.#ordered;
  }

  get(key: HubKey): HubSession | undefined {
    return this.#sessions.get(key);
  }

  /** Why a hub that exists has no session. */
  unserved(key: HubKey): UnservedHub | undefined {
    return this.#unserved.get(key);
  }

  exists(key: HubKey): boolean {
    return this.#sessions.has(key) || this.#unserved.get(key) !== undefined;
  }

  /** Every hub that exists. */
  *keys(): Generator<HubKey> {
    yield* this.#sessions.keys();
    yield* this.#unserved.keys();
  }

  /** Takes in the object that the cluster now has under the name. */
  take(key: HubKey): void {
    this.#contain(key, () => this.#take(key));
  }

  each(run: (session: HubSession) => void): void {
    for (const session of this.#ordered) this.#contain(session.hub.key, () => run(session));
  }

  /** Starts every session again, because every judgement is void. */
  restart(): void {
    for (const { hub } of this.#ordered) {
      this.#drop(hub.key);
      this.take(hub.key);
    }
  }

  /** The lists have changed: judges anew which of several hubs has an id, and lets every session connect that may. */
  connect(): void {
    for (const namesakes of this.#byId.values()) if (namesakes.size > 1) this.#takeAll(namesakes);
    this.each((session) => this.#connect(session));
  }

  /** The list of hubs is no longer complete. */
  listLost(): void {
    this.#gone.reset();
  }

  /** For a hub without a session: 0 = it is gone, else how long until it may be; undefined = that cannot be told. */
  goneInMs(key: HubKey): Ms | undefined {
    if (!isWatched(splitKey(key)[0], this.#options) || this.#unserved.get(key)) return undefined;
    const goneInMs = this.#gone.goneInMs(key);
    if (goneInMs === 0) this.#memories.delete(key);
    return goneInMs;
  }

  /** Ends every connection; the cluster stays as it is. */
  close(): void {
    this.#closed.abort();
    this.#unserved.close();
    for (const session of this.#sessions.values()) session.close();
  }

  #contain(key: HubKey, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(key, error);
    }
  }

  #fail(key: HubKey, error: unknown): void {
    const version = versionOf(key, this.#place.cluster.hubs.objects.get(key));
    this.#unserved.fail(version, error, this.#memories.get(key)?.status);
    this.#drop(key);
    this.#hooks.enqueueStatus(key, "soon");
  }

  #take(key: HubKey): void {
    const object = this.#place.cluster.hubs.objects.get(key);
    if (object === undefined || !isWatched(object.metadata.namespace ?? "", this.#options)) {
      this.#forget(key);
      return;
    }
    this.#gone.seen(key);
    const holder = this.#holderOf(this.#namesakesOf(key).add(key));
    if (holder === key) this.#read(key, object);
    else this.#refuse(key, object, idTaken(holder));
  }

  #read(key: HubKey, object: Stored<RegistryHub>): void {
    if (this.#unserved.isWaiting(versionOf(key, object))) return;
    const reading = readHub(object);
    if ("hub" in reading) this.#serve(reading.hub, readStatus(object.status));
    else this.#refuse(key, object, reading.problem);
  }

  #refuse(key: HubKey, object: Stored<RegistryHub>, problem: SpecProblem): void {
    this.#remember(key, undefined, readStatus(object.status));
    this.#unserved.refuse(versionOf(key, object), problem, this.#memories.get(key)?.status);
    this.#drop(key);
    this.#hooks.enqueueStatus(key, "soon");
  }

  #takeAll(keys: Iterable<HubKey>): void {
    for (const key of keys) this.take(key);
  }

  /** Every hub that exists and has the id of this one. */
  #namesakesOf(key: HubKey): Set<HubKey> {
    const id = hubIdOf(key);
    const namesakes = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, namesakes);
    return namesakes;
  }

  /** Which of these hubs has the id that they share: one that entries name, else the oldest. */
  #holderOf(namesakes: ReadonlySet<HubKey>): HubKey {
    const { hubs, entries } = this.#place.cluster;
    const rank = (key: HubKey): string => {
      const isNamed = entries.hostsOf({ id: hubIdOf(key), key, target: "" }).some(() => true);
      return `${isNamed ? "a" : "b"} ${hubs.objects.get(key)?.metadata.creationTimestamp ?? ""} ${key}`;
    };
    const [first = "", ...others] = namesakes;
    return others.reduce((holder, key) => (rank(key) < rank(holder) ? key : holder), first);
  }

  #serve(hub: Hub, status: HubStatus | undefined): void {
    const { key, target } = hub;
    const session = this.#sessions.get(key);
    const wasUnserved = this.#unserved.serve(key);
    const memory = this.#memoryFor(hub, status, wasUnserved);
    this.#remember(key, hub, status);
    if (session === undefined) {
      this.#add(hub, memory);
      if (status === undefined) this.#hooks.enqueueStatus(key, "now");
    } else if (
      session.hub.generation !== hub.generation ||
      session.hub.releaseHold !== hub.releaseHold ||
      session.hub.uid !== hub.uid
    ) {
      session.update(hub);
      this.#hooks.recall(target);
      this.#order();
    }
  }

  #add(hub: Hub, memory: RememberedTrust): void {
    const { cluster, deps } = this.#place;
    const session = new HubSession(hub, memory, cluster.entries, deps, this.#hooksFor(hub.key));
    this.#sessions.set(hub.key, session);
    this.#order();
    this.#connect(session);
    this.#hooks.recall(hub.target);
    session.enqueueAllHosts();
  }

  #remember(key: HubKey, hub: Hub | undefined, status: HubStatus | undefined): void {
    if (status === undefined) return;
    if (status.observedGeneration === hub?.generation) this.#memories.set(key, { hub, status });
    else if (!this.#memories.has(key)) this.#memories.set(key, { hub: undefined, status });
  }

  /**
   * The trust of a hub that gets a session: from its status, or from this process if the hub was re-created or
   * unserved; nothing if a re-created hub has another registry.
   */
  #memoryFor(hub: Hub, status: HubStatus | undefined, wasUnserved: boolean): RememberedTrust {
    const before = this.#memories.get(hub.key);
    if (status !== undefined && !wasUnserved) return rememberedTrust(status, hub);
    if (before?.hub !== undefined && isSameRegistry(before.hub, hub))
      return rememberedTrust(before.status, { ...hub, generation: before.status.observedGeneration });
    return wasUnserved ? rememberedTrust(status, hub) : nothingRemembered;
  }

  #connect(session: HubSession): void {
    if (this.#place.cluster.knowsEntries(() => this.#hooks.listsChanged())) session.connect();
  }

  /** The hub does not exist, or the operator does not watch its namespace. */
  #forget(key: HubKey): void {
    this.#drop(key);
    this.#place.metrics.forgetHub(key);
    if (this.#unserved.forget(key)) {
      const owned = [...this.#place.cluster.entries.hostsOf({ id: hubIdOf(key), key, target: "" })];
      this.#hooks.enqueueHosts(
        owned.map(({ host }) => host),
        "look",
      );
    }
    const namesakes = this.#namesakesOf(key);
    if (namesakes.delete(key)) this.#takeAll(namesakes);
    if (namesakes.size === 0) this.#byId.delete(hubIdOf(key));
    void this.#forgetWhenGone(key);
  }

  /** Nobody asks about a hub that owned nothing, but its status must be forgotten all the same. */
  async #forgetWhenGone(key: HubKey): Promise<void> {
    const { cluster, deps } = this.#place;
    const { signal } = this.#closed;
    while (!signal.aborted && this.#memories.has(key) && !this.exists(key)) {
      const isKnown = cluster.hubs.status.state === "synced";
      const inMs = isKnown ? this.goneInMs(key) : undefined;
      await pause(deps.clock, inMs ?? goneAfterMs, signal);
    }
  }

  #drop(key: HubKey): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    session.close();
    this.#sessions.delete(key);
    this.#order();
    session.enqueueAllHosts();
  }

  #order(): void {
    const age = ({ hub }: HubSession): string => `${hub.createdAt} ${hub.key}`;
    this.#ordered = [...this.#sessions.values()].sort((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  #hooksFor(key: HubKey): SessionHooks {
    const { shrinkHoldMs, resetHoldMs, settleFactor, maxServicesPerHub } = this.#options;
    const { cluster, client, metrics } = this.#place;
    return {
      sliceBegins: () => metrics.sliceBegins("listings"),
      enqueueHosts: this.#hooks.enqueueHosts,
      enqueueStatus: this.#hooks.enqueueStatus,
      targetTakes: (hub: Hub) => {
        if (cluster.namespaces.status.state === "pending") return undefined;
        return cluster.targetProblem(hub) === undefined;
      },
      limitsFor: (hub: Hub) => ({
        settleMs: registries[hub.registry.type].settleMs * settleFactor,
        settleAfterLossMs: registries[hub.registry.type].settleAfterLossMs * settleFactor,
        shrinkHoldMs,
        resetHoldMs,
      }),
      maxServices: maxServicesPerHub,
      credentialsMs: credentialsMs * settleFactor,
      readCredentials: (hub: Hub, signal: AbortSignal) => credentialsOf(client, hub, signal),
      onHoldBegan: (reason: keyof typeof holdMessages) =>
        this.#recordEvent(key, reason, holdMessages[reason]),
      onBug: (error: unknown) => this.#fail(key, error),
    };
  }

  #recordEvent(key: HubKey, reason: string, message: string): void {
    const hub = this.#place.cluster.hubs.objects.get(key);
    if (hub) this.#hooks.recordEvent(hub, reason, message);
  }
}

function versionOf(key: HubKey, object: KubeObject | undefined): HubVersion {
  const { uid = "", generation = 0 } = object?.metadata ?? {};
  return { key, uid, generation };
}

function idTaken(holder: HubKey): SpecProblem {
  return {
    detail: `the id of this hub in labels, ${hubIdOf(holder)}, is that of hub ${holder} as well`,
    nextStep: "Rename the hub. Until then it connects to no registry, and its entries stay.",
  };
}

const holdMessages = {
  Shrunk:
    "many services lost their last instance at once; the operator keeps those instances until status.hold.until",
  RegistryReset:
    "the registry lost its data; the operator removes nothing until the registry lists 80 % of it again or until status.hold.until",
} as const;
