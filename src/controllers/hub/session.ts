import type { Entry, HostKey, Instant } from "../../model/entry.ts";
import type { RegistryError } from "../../model/errors.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import type { Snapshot } from "../../model/service.ts";
import { type ClaimInputs, mayWrite, unlistedVerdict } from "../../plan/claims.ts";
import { holdOf, restoredTrust } from "../../plan/hold.ts";
import type { TrustEvent } from "../../plan/trust.ts";
import { isTrusted, type TrustLimits } from "../../plan/trust-state.ts";
import type { RegistryState } from "../../registries/supervise.ts";
import { containedClock } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryView } from "../../status/hub-status.ts";
import type { Progress, RememberedTrust } from "../../status/memory.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import type { Urgency } from "../writes/ready-keys.ts";
import { type ConnectionHooks, HubConnection, type HubDeps } from "./connection.ts";
import { editEffects } from "./edits.ts";
import { HubHosts, successorOf } from "./hub-hosts.ts";
import { HostLedger } from "./ledger.ts";
import { type ListingChange, ListingIndex } from "./listing-index.ts";
import { LookAtAll } from "./look-at-all.ts";
import { LookForRoom } from "./look-for-room.ts";
import { Redose } from "./redose.ts";
import { HubTrust, momentOf, type TrustChange } from "./trust.ts";

/** How long an earlier process's status stays while the registry has not answered yet. */
const startupGraceMs = 10_000;

/** What a session needs from its controller. */
export interface SessionHooks extends Pick<ConnectionHooks, "credentialsMs" | "readCredentials"> {
  /** Queues these hosts for a new plan: they changed, or only have to be looked at. */
  enqueueHosts(hosts: Iterable<HostKey>, urgency: Urgency): void;
  /** The hub's status may have changed; "now" = the hub has none yet. */
  enqueueStatus(key: HubKey, when: "soon" | "now"): void;
  limitsFor(hub: Hub): TrustLimits;
  /** How many services a hub may have. */
  readonly maxServices: number;
  /** Whether the hub's target takes its entries; undefined = not known yet. */
  targetTakes(hub: Hub): boolean | undefined;
  onHoldBegan(reason: "Shrunk" | "RegistryReset"): void;
  /** A listing is being taken in; the returned function ends that. */
  sliceBegins(): () => void;
  /** Reports a bug: the session is of no use any more. */
  onBug(error: unknown): void;
}

/** One hub while it exists: its connection to the registry, its listing, and how far its silence counts. */
export class HubSession {
  readonly listings: ListingIndex;
  /** The state of the hub's hosts. */
  readonly ledger: HostLedger;
  /** Asked whenever entries of the hub have changed. */
  readonly lookForRoom: LookForRoom;
  /** Queues everything that the hub lists or owns. */
  readonly lookAtAll: LookAtAll;
  readonly #entries: EntryIndex;
  readonly #deps: Deps;
  readonly #hooks: SessionHooks;
  readonly #startedAt: Instant;
  readonly #trust: HubTrust;
  readonly #connection: HubConnection;
  readonly #hosts: HubHosts;
  readonly #redose: Redose;
  #hub: Hub;
  /** Whether the registry has been listed since the last edit of what the hub asks for. */
  #isListed = false;
  /** Whether the hub has got another registry, and nothing has been read from it. */
  #hasMoved = false;
  #targetTakes: boolean | undefined;
  #mayConnect = false;
  #isClosed = false;

  constructor(hub: Hub, memory: RememberedTrust, entries: EntryIndex, deps: HubDeps, hooks: SessionHooks) {
    this.#hub = hub;
    this.#entries = entries;
    const clock = containedClock(deps.clock, (error) => this.#onBug(error));
    const logger = deps.logger.child({ hub: hub.key, type: hub.registry.type });
    this.#deps = { ...deps, clock, logger };
    this.#hooks = hooks;
    this.ledger = new HostLedger(
      clock,
      () => this.#enqueueStatus(),
      (waiting) => hooks.enqueueHosts(waiting, "look"),
    );
    this.listings = new ListingIndex({
      most: hooks.maxServices,
      ownedAtMost: () => entries.countOf(this.#hub.id),
      // What moves with its hub to another target is no addition.
      owned: () =>
        entries
          .hostsOf(this.#hub)
          .values()
          .map(({ host }) => successorOf(this.#hub, host)),
    });
    this.#hosts = new HubHosts(entries, this.listings, this.ledger);
    this.lookAtAll = new LookAtAll(
      () => this.#hosts.all(this.#hub),
      (some) => this.#measured(() => hooks.enqueueHosts(some, "look")),
      clock,
      (error) => this.#onBug(error),
    );
    const snapshotIf = (counts: boolean) => (counts ? this.#connection.snapshot : undefined);
    this.lookForRoom = new LookForRoom(this.listings, clock, () => {
      const snapshot = snapshotIf(this.isSynced && !this.#isClosed);
      if (snapshot !== undefined) this.#measured(() => this.#listed(snapshot, false));
    });
    this.#redose = new Redose(this.listings, clock, {
      now: () => [this.#hub, snapshotIf(this.#isListed && !this.#isClosed)],
      take: (snapshot) =>
        this.#measured(() => hooks.enqueueHosts(this.#retaken(snapshot).changed, "changed")),
      done: () => this.#enqueueStatus(),
      onBug: (error) => this.#onBug(error),
    });
    this.#startedAt = clock.monotonic();
    const trust = restoredTrust(hooks.limitsFor(hub), memory, momentOf(clock));
    this.#trust = new HubTrust(clock, trust, (change) => this.#measured(() => this.#trustChanged(change)));
    this.#connection = new HubConnection(
      { ...deps, clock, logger },
      {
        ...hooks,
        onBug: (error) => this.#onBug(error),
        prepare: ({ services }) => this.listings.prepare(services, () => this.#hub, clock),
        onState: (state, before) => this.#take(state, before),
        enqueueStatus: () => this.#enqueueStatus(),
        reconnect: () => this.#reconnect(),
        known: () => entries.servicesOf(this.#hub),
      },
    );
    this.#targetTakes = hooks.targetTakes(hub);
    this.#judge({ type: "released", until: hub.releaseHold });
    clock.after(startupGraceMs, () => this.#enqueueStatus());
  }

  /**
   * Starts reading the registry on the first call. The caller waits until the cluster's ServiceEntries are known,
   * because they decide what the registry lacks and whether it lost its data.
   */
  connect(): void {
    if (this.#mayConnect) return;
    this.#mayConnect = true;
    this.#reconnect();
  }

  get hub(): Hub {
    return this.#hub;
  }

  /** How far the session has come, for the status. */
  get progress(): Progress {
    const { state } = this.#connection;
    return {
      isListed: this.#isListed && !this.#redose.isOn,
      hasAnswered: this.#isListed || (state.state !== "synced" && state.error !== undefined),
      hasMoved: this.#hasMoved,
      isFresh: this.#deps.clock.monotonic() - this.#startedAt < startupGraceMs,
    };
  }

  get origin(): string {
    return this.#trust.state.origin;
  }

  /** The problems of the registry, of its services, and of the hosts that they ask for. */
  get problems(): readonly Problem[] {
    return [
      ...(this.#connection.snapshot?.problems ?? []),
      ...this.listings.problems,
      ...this.ledger.problems,
    ];
  }

  /** What the hub's claim on a host rests on at this moment, whether or not its target takes entries of it. */
  claimInputs(host: HostKey, actual: Entry | undefined): ClaimInputs {
    const successor = this.#hosts.unwrittenSuccessor(this.#hub, host);
    if (successor !== undefined) this.ledger.awaitWrite(successor, host);
    return {
      hub: this.#hub,
      mayWrite: mayWrite(this.#hub),
      trust: this.#trust.state,
      listed: this.listings.listed(host),
      leftOut: this.listings.leftOut(host),
      isUnknown: successor !== undefined || this.listings.isUnknown(host, actual?.shape.service.name),
    };
  }

  /** Applies an edit of the hub: judges everything first, then queues hosts. */
  update(hub: Hub): void {
    const effects = editEffects(this.#hub, hub);
    const hostsBefore = [...this.#hosts.all(this.#hub)];
    this.#hub = hub;
    this.#targetTakes = this.#hooks.targetTakes(hub);
    if (hub.policy !== "observe") this.ledger.forgetDryRuns();
    if (effects.has("ask")) this.#isListed = false;
    if (effects.has("forget")) this.#forget();
    if (effects.has("reopen")) this.#reconnect();
    const found = effects.has("relist") ? this.#relist(effects.has("ask")) : [];
    if (effects.has("redose")) void this.#redose.run();
    if (effects.has("resettle")) this.#resettle(found);
    if (effects.has("expect")) this.ledger.markPending(this.listings.hosts(), "decision");
    this.#judge({ type: "released", until: hub.releaseHold });
    if (effects.size > 0) this.#hooks.enqueueHosts([...hostsBefore, ...this.#hosts.all(this.#hub)], "look");
  }

  /** Namespaces have changed. If the target takes entries from now on, the hub may remove more than before. */
  lookAtTarget(): void {
    const before = this.#targetTakes;
    this.#targetTakes = this.#hooks.targetTakes(this.#hub);
    if (before === this.#targetTakes) return;
    if (before === false) {
      this.#resettle([]);
      this.ledger.markPending(this.listings.hosts(), "decision");
    }
    this.lookAtAll.ask();
  }

  /** Ends the connection; the cluster stays as it is. */
  close(): void {
    this.#isClosed = true;
    this.#connection.close();
    this.#trust.close();
  }

  #onBug(error: unknown): void {
    if (this.#isClosed) this.#deps.logger.error("bug in a closed session", { error });
    else this.#hooks.onBug(error);
  }

  /** The state of the registry, for the status. */
  get view(): RegistryView {
    return this.#connection.view;
  }

  /** Whether the registry vouches for its listing now. */
  get isSynced(): boolean {
    return this.#trust.state.isSynced;
  }

  /**
   * The hold to report. A hub that removes nothing has none, unless its registry lost its data: only the status tells a
   * later process of that.
   */
  get held(): ReturnType<typeof holdOf> {
    const held = holdOf(this.#trust.state, {
      withheld: this.isSynced ? this.ledger.withheld : { services: 0, endpoints: 0 },
      missing: () => this.#hosts.missing(this.#hub).length,
      endpointsOf: (host) => this.#entries.endpointsOf(this.#hub, host),
    });
    return this.#removes || held?.reason === "RegistryReset" ? held : undefined;
  }

  /** Whether the hub removes anything at all. */
  get #removes(): boolean {
    return this.#hub.policy === "sync" && !this.#hub.suspend;
  }

  /** Starts reading again, if the hub wants that. */
  #reconnect(): void {
    this.#loseTrust(false);
    this.#connection.stop();
    if (this.#mayConnect && !this.#hub.suspend) this.#connection.start(this.#hub);
  }

  #take(state: RegistryState, before: RegistryState): void {
    this.#measured(() => {
      if (state.state === "synced") this.#listed(state.snapshot, state.first);
      else this.#lost(state.error, before.state === "synced" ? undefined : before.error);
    });
  }

  #measured(run: () => void): void {
    const ends = this.#hooks.sliceBegins();
    run();
    ends();
  }

  #lost(error: RegistryError | undefined, before: RegistryError | undefined): void {
    this.#loseTrust(error?.reset ?? false);
    if (error?.message !== before?.message)
      this.#deps.logger.warn("registry not readable", { code: error?.code, error: error?.message });
  }

  #listed(snapshot: Snapshot, first: boolean): void {
    const { services, origin } = snapshot;
    this.#isListed = true;
    this.#hasMoved = false;
    const { changed, lost, found, readAgain } = this.listings.update(services, this.#hub);
    const { size: listedHosts, endpoints: listedEndpoints } = this.listings;
    if (first)
      this.#deps.logger.info("registry listed", { services: services.size, endpoints: listedEndpoints });
    const missing = first || readAgain ? this.#hosts.missing(this.#hub) : [];
    this.ledger.markPending(changed, "listing");
    this.#judge({
      type: "listed",
      lost: [...lost.filter((host) => this.#hosts.isReadable(host)), ...missing],
      found,
      listedHosts,
      listedEndpoints,
      origin,
      endpointsInCluster: () => this.#hosts.endpointsInCluster(this.#hub),
    });
    if (first) return; // it is no change, and to judge it has queued all hosts
    this.#hooks.enqueueHosts(changed, "changed");
    if (readAgain) this.lookAtAll.ask();
  }

  #loseTrust(dataWasLost: boolean): void {
    this.#judge({
      type: "lost",
      dataWasLost,
      endpointsInCluster: () => this.#hosts.endpointsInCluster(this.#hub),
    });
  }

  /** The hub has another registry; drops everything read from the old one. */
  #forget(): void {
    this.#judge({ type: "moved", limits: this.#hooks.limitsFor(this.#hub) });
    this.#isListed = false;
    this.#hasMoved = true;
    this.#connection.stop(true);
  }

  /** The hub may remove more than before: settles, and judges what the cluster has and the registry lacks. */
  #resettle(found: Iterable<HostKey>): void {
    const lost = this.#hosts.missing(this.#hub);
    this.#judge({ type: "edited", lost, found, listedHosts: this.listings.size });
  }

  /**
   * The same snapshot now means other hosts or endpoints; `lacks` = it was not asked for what the hub asks now, so it means
   * nothing. Returns the hosts that now list something.
   */
  #relist(lacks: boolean): readonly HostKey[] {
    this.listings.update(new Map(), this.#hub);
    const { snapshot } = this.#connection;
    return snapshot === undefined || lacks ? [] : this.#retaken(snapshot).found;
  }

  /** An edit decides what becomes of a snapshot that was taken before. */
  #retaken({ services }: Snapshot): ListingChange {
    const change = this.listings.update(services, this.#hub);
    this.ledger.markPending(change.changed, "decision");
    return change;
  }

  /** Queues the hosts about which the hub says something else than before, and its status. */
  #judge(event: TrustEvent): void {
    this.#trustChanged(this.#trust.take(event));
  }

  #trustChanged({ changed, began }: TrustChange): void {
    if (began === "RegistryReset" || (began !== undefined && this.#removes)) this.#hooks.onHoldBegan(began);
    const withheld = isTrusted(this.#trust.state) ? [...this.ledger.withheldHosts()] : []; // 10,000 after a restart
    const released = withheld.filter(
      (host) => (changed === "everything" || changed.has(host)) && this.#mayRemove(host),
    );
    this.ledger.markPending(released, "decision");
    if (changed === "everything") this.lookAtAll.ask();
    else this.#hooks.enqueueHosts(changed, "look");
    this.#enqueueStatus();
  }

  /** Whether the hub vouches for the absence of the host's unlisted endpoints. */
  #mayRemove(host: HostKey): boolean {
    if (this.#hub.policy !== "sync" || !this.#hosts.isReadable(host)) return false;
    if (this.#hosts.unwrittenSuccessor(this.#hub, host) !== undefined) return false;
    return unlistedVerdict(this.#trust.state, host, this.listings.has(host)) === "gone";
  }

  #enqueueStatus(): void {
    this.#hooks.enqueueStatus(this.#hub.key, "soon");
  }
}
