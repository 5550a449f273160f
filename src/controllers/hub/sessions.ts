import type { KubeClient } from "../../kube/client.ts";
import type { Entry, HostKey, Ms } from "../../model/entry.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import { type LabelSelector, selectsLabels } from "../../model/label-selector.ts";
import type { HubStatus, RegistryHub } from "../../model/registryhub.ts";
import { registries } from "../../registries/index.ts";
import { pause } from "../../runtime/clock.ts";
import type { HubMetrics } from "../../runtime/metrics.ts";
import type { RememberedTrust } from "../../status/memory.ts";
import { readHub, type SpecProblem } from "../../translate/read-back/hub.ts";
import { readStatus } from "../../translate/read-back/hub-status.ts";
import { reportBug } from "../writes/internal-error.ts";
import { isWatched, type TargetRules } from "../writes/target-namespace.ts";
import type { HubCluster } from "./cluster.ts";
import type { HubDeps } from "./connection.ts";
import { credentialsOf } from "./credentials.ts";
import { DeletedHubs } from "./deleted-hubs.ts";
import { HubMemories } from "./memories.ts";
import { identityOf, idTaken, Namesakes } from "./namesakes.ts";
import { ageOf, type Claimant, type ExistingHub, OtherLanes } from "./other-lanes.ts";
import { HubSession, type SessionHooks } from "./session.ts";
import { holdMessages } from "./trust.ts";
import { type UnservedHub, UnservedHubs, versionOf } from "./unserved-hubs.ts";

/** A hub that is missing for a shorter time may be in the middle of a re-creation. */
const goneAfterMs = 60_000;
/** Secrets are re-read, not watched: the right to watch them is the right to list all of them. */
const credentialsMs = 300_000;

export interface HubSessionsOptions extends TargetRules {
  /** Which hubs this process serves. */
  readonly hubSelector: LabelSelector;
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

/**
 * The hubs that exist: a session for each that this process serves, or why it has none. A bug in one of them stops no
 * other.
 */
export class HubSessions {
  readonly #place: HubSessionsPlace;
  readonly #options: HubSessionsOptions;
  readonly #hooks: HubSessionsHooks;
  readonly #gone: DeletedHubs;
  readonly #unserved: UnservedHubs;
  readonly #sessions = new Map<HubKey, HubSession>();
  readonly #namesakes: Namesakes;
  readonly #memories = new HubMemories();
  readonly #others = new OtherLanes();
  readonly #closed = new AbortController();
  #ordered: readonly HubSession[] = [];
  #claimants: readonly Claimant[] = [];

  constructor(place: HubSessionsPlace, options: HubSessionsOptions, hooks: HubSessionsHooks) {
    const { cluster, deps } = place;
    this.#place = place;
    this.#namesakes = new Namesakes(cluster);
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

  /** Every hub that exists and can be read, those of other lanes too; oldest first. */
  get claimants(): readonly Claimant[] {
    return this.#claimants;
  }

  get(key: HubKey): HubSession | undefined {
    return this.#sessions.get(key);
  }

  /** Why a hub of this lane has no session. */
  unserved(key: HubKey): UnservedHub | undefined {
    return this.#unserved.get(key);
  }

  /** Whether the hub exists and is of this lane, which then writes its status. */
  has(key: HubKey): boolean {
    return this.#sessions.has(key) || this.#unserved.get(key) !== undefined;
  }

  /** Whether the hub exists and another lane serves it. */
  isOfOtherLane(key: HubKey): boolean {
    return this.#others.has(key);
  }

  /** As `OtherLanes.ownerOf`. */
  ownerElsewhere(host: HostKey, entry: Entry | undefined): HubKey | undefined {
    return entry && this.#others.ownerOf(host, entry, () => this.#own());
  }

  /** Every hub of this lane. */
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
    this.#takeAll([...this.#namesakes.shared()]);
    this.each((session) => this.#connect(session));
  }

  /** The list of hubs is no longer complete. */
  listLost(): void {
    this.#gone.reset();
  }

  /** For a hub without a session: 0 = it is gone, else how long until it may be; undefined = that cannot be told. */
  goneInMs(key: HubKey): Ms | undefined {
    if (!isWatched(splitKey(key)[0], this.#options) || this.#isKnown(key)) return undefined;
    const goneInMs = this.#gone.goneInMs(key);
    if (goneInMs === 0) this.#memories.forget(key);
    return goneInMs;
  }

  /** Ends every connection; the cluster stays as it is. */
  close(): void {
    this.#closed.abort();
    this.#unserved.close();
    for (const session of this.#sessions.values()) session.close();
  }

  #isKnown(key: HubKey): boolean {
    return this.has(key) || this.#others.has(key);
  }

  *#own(): Generator<ExistingHub> {
    for (const { hub } of this.#ordered) yield hub;
    for (const key of this.#unserved.keys()) {
      const createdAt = this.#place.cluster.hubs.objects.get(key)?.metadata.creationTimestamp ?? "";
      yield { ...identityOf(key), createdAt };
    }
  }

  #contain(key: HubKey, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(key, error);
    }
  }

  #fail(key: HubKey, error: unknown): void {
    const object = this.#place.cluster.hubs.objects.get(key);
    if (object !== undefined && !this.#selects(object)) {
      reportBug(this.#place, "hub", { hub: key }, error);
      return; // its own lane says so in its status
    }
    this.#unserved.fail(versionOf(key, object), error, this.#memories.statusOf(key));
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
    const holder = this.#namesakes.holderOf(key);
    if (!this.#selects(object)) {
      this.#leave(key, object, holder === key);
      return;
    }
    if (this.#others.delete(key)) this.#lookAtEntriesOf(key);
    if (holder === key) this.#read(key, object);
    else this.#refuse(key, object, idTaken(holder));
  }

  #selects({ metadata }: KubeObject): boolean {
    return selectsLabels(this.#options.hubSelector, metadata.labels);
  }

  /** Another lane serves the hub: ends its connection here, and leaves its status and its hosts alone. */
  #leave(key: HubKey, object: Stored<RegistryHub>, isHolder: boolean): void {
    const reading = readHub(object);
    const hub = "hub" in reading && isHolder ? reading.hub : undefined;
    this.#memories.remember(key, hub, readStatus(object.status));
    const { target } = hub ?? identityOf(key);
    const createdAt = object.metadata.creationTimestamp ?? "";
    const isNews = this.#others.put({ ...identityOf(key), target, createdAt, hub });
    this.#unserved.forget(key);
    this.#drop(key);
    this.#place.metrics.forgetHub(key);
    if (isNews) this.#lookAtEntriesOf(key);
  }

  /** To whom the hosts of the hub's entries belong, or what the hub says of them, has changed. */
  #lookAtEntriesOf(key: HubKey): void {
    this.#order();
    const owned = this.#place.cluster.entries.hostsOf(identityOf(key));
    this.#hooks.enqueueHosts(
      owned.map(({ host }) => host),
      "look",
    );
  }

  #read(key: HubKey, object: Stored<RegistryHub>): void {
    if (this.#unserved.isWaiting(versionOf(key, object))) return;
    const reading = readHub(object);
    if ("hub" in reading) this.#serve(reading.hub, readStatus(object.status));
    else this.#refuse(key, object, reading.problem);
  }

  #refuse(key: HubKey, object: Stored<RegistryHub>, problem: SpecProblem): void {
    this.#memories.remember(key, undefined, readStatus(object.status));
    this.#unserved.refuse(versionOf(key, object), problem, this.#memories.statusOf(key));
    this.#drop(key);
    this.#hooks.enqueueStatus(key, "soon");
  }

  #takeAll(keys: Iterable<HubKey>): void {
    for (const key of keys) this.take(key);
  }

  #serve(hub: Hub, status: HubStatus | undefined): void {
    const { key, target } = hub;
    const session = this.#sessions.get(key);
    const wasUnserved = this.#unserved.serve(key);
    const memory = this.#memories.trustOf(hub, status, wasUnserved);
    this.#memories.remember(key, hub, status);
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
    session.lookAtAll.ask();
  }

  #connect(session: HubSession): void {
    if (this.#place.cluster.knowsEntries(() => this.#hooks.listsChanged())) session.connect();
  }

  /** The hub does not exist, or the operator does not watch its namespace. */
  #forget(key: HubKey): void {
    this.#drop(key);
    this.#place.metrics.forgetHub(key);
    const wasElsewhere = this.#others.delete(key);
    if (this.#unserved.forget(key) || wasElsewhere) this.#lookAtEntriesOf(key);
    this.#takeAll([...this.#namesakes.delete(key)]);
    void this.#forgetWhenGone(key);
  }

  /** Nobody asks about a hub that owned nothing, but its status must be forgotten all the same. */
  async #forgetWhenGone(key: HubKey): Promise<void> {
    const { cluster, deps } = this.#place;
    const { signal } = this.#closed;
    while (!signal.aborted && this.#memories.has(key) && !this.#isKnown(key)) {
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
    session.lookAtAll.ask();
  }

  #order(): void {
    const byAge = (a: Claimant, b: Claimant): number => (ageOf(a.hub) < ageOf(b.hub) ? -1 : 1);
    this.#ordered = [...this.#sessions.values()].sort(byAge);
    this.#claimants = [...this.#ordered, ...this.#others.claimants()].sort(byAge);
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
