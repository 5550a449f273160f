import type { Claim, Entry, HostKey, Ms } from "../model/entry.ts";
import type { RegistryError } from "../model/errors.ts";
import { type Credentials, type Hub, type HubId, type HubStatus, wants } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";
import type { Snapshot } from "../model/service.ts";
import type { OpenRegistry } from "../registries/index.ts";
import { type RegistryState, supervise } from "../registries/supervise.ts";
import { pause } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import type { RegistryView } from "../status/hub-status.ts";
import { hubIdOf } from "../translate/names.ts";
import type { EntryIndex } from "./entries.ts";
import { HostLedger } from "./host-ledger.ts";
import { hubClaim } from "./hub-claim.ts";
import { type Extent, HubTrust, type TrustLimits } from "./hub-trust.ts";
import type { Urgency } from "./lanes.ts";
import { ListingIndex } from "./listing-index.ts";

/** A registry that is lost for less long is not reported. */
const lossGraceMs = 5_000;
/** A status of an earlier process is kept this long while the registry has not answered yet. */
const freshMs = 10_000;

/** What the hub-controller is given, so that a test may give it registries of its own. */
export interface HubDeps extends Deps {
  readonly openRegistry: OpenRegistry;
}

/** What a session needs from the controller it lives in. */
export interface SessionHooks {
  /** These hosts have changed, or may have to be planned anew. */
  touch(hosts: Iterable<HostKey>, urgency: Urgency): void;
  touchStatus(): void;
  limitsFor(hub: Hub): TrustLimits;
  /** How often a Secret is read again while the registry is listed. */
  readonly credentialsMs: Ms;
  /** @throws RegistryError SecretInvalid. */
  readCredentials(hub: Hub, signal: AbortSignal): Promise<Credentials>;
  note(reason: "Shrunk" | "RegistryReset"): void;
  /** A bug: the process must end. */
  crash(error: unknown): void;
}

/** One hub while it exists: its connection to the registry, what that lists, and how far its silence is believed. */
export class HubSession {
  readonly id: HubId;
  readonly listings = new ListingIndex();
  /** What became of the hub's hosts. */
  readonly ledger: HostLedger;
  readonly #entries: EntryIndex;
  readonly #deps: HubDeps;
  readonly #hooks: SessionHooks;
  readonly #startedAt: Ms;
  readonly #trust: HubTrust;
  #hub: Hub;
  #state: RegistryState = { state: "pending" };
  #lostAt: Ms | undefined;
  #everListed = false;
  #mayConnect = false;
  #credentials: Credentials = {};
  #watching = new AbortController();

  constructor(
    hub: Hub,
    previous: HubStatus | undefined,
    entries: EntryIndex,
    deps: HubDeps,
    hooks: SessionHooks,
  ) {
    this.id = hubIdOf(hub.key);
    this.#hub = hub;
    this.#entries = entries;
    this.#deps = { ...deps, logger: deps.logger.child({ hub: hub.key, type: hub.registry.type }) };
    this.#hooks = hooks;
    this.ledger = new HostLedger(deps.clock, () => hooks.touchStatus());
    this.#startedAt = deps.clock.monotonic();
    const isSameRegistry = previous?.address === hub.registry.address && previous.type === hub.registry.type;
    this.#trust = new HubTrust(
      deps.clock,
      hooks.limitsFor(hub),
      (began) => this.#flipped(began),
      isSameRegistry ? previous : undefined,
    );
    this.#trust.release(hub.releaseHold);
    deps.clock.after(freshMs, () => hooks.touchStatus());
  }

  /**
   * Starts reading the registry, the first time it is called. Not before the cluster's ServiceEntries are known: what the
   * registry lacks, and whether it lost its data, is judged by what the cluster has of the hub.
   */
  connect(): void {
    if (this.#mayConnect) return;
    this.#mayConnect = true;
    this.#watch(undefined);
  }

  get hub(): Hub {
    return this.#hub;
  }

  /** Whether the hub wants to write at all; its target may still not take it. */
  get isWriting(): boolean {
    return !this.#hub.suspend && this.#hub.policy !== "observe";
  }

  /** Whether the registry has been listed since the hub asks for it. */
  get everListed(): boolean {
    return this.#everListed;
  }

  get origin(): string {
    return this.#trust.origin;
  }

  /** Those of the registry, of its services, and of the hosts that they want. */
  get problems(): readonly Problem[] {
    return [...(this.#snapshot?.problems ?? []), ...this.listings.problems, ...this.ledger.problems];
  }

  /** As `hubClaim`, of this moment. */
  claim(host: HostKey, actual: Entry | undefined, isWriting: boolean): Claim | undefined {
    const { id, listings } = this;
    const isPending = this.#state.state === "pending";
    const voice = { id, hub: this.#hub, listings, trust: this.#trust.trust, isPending };
    return hubClaim(voice, host, actual, isWriting, this.#deps.clock.monotonic());
  }

  /** Takes in an edit of the hub. */
  update(hub: Hub): void {
    const before = this.#hub;
    this.#hub = hub;
    this.#trust.release(hub.releaseHold);
    if (differ(identityOf(before), identityOf(hub))) {
      this.#trust.forget(this.#hooks.limitsFor(hub));
      this.#everListed = false;
      this.#state = { state: "pending" };
      this.#watch(undefined);
      this.#relist();
      return;
    }
    if (before.target !== hub.target) {
      this.#trust.resettle();
      this.#relist();
    }
    const reopens =
      before.suspend !== hub.suspend ||
      before.secretName !== hub.secretName ||
      differ(before.registry.tls, hub.registry.tls) ||
      differ(before.filter, hub.filter);
    if (reopens) this.#watch(this.#snapshot);
    if (before.policy !== hub.policy) this.ledger.forgetRehearsals();
    const changesClaims =
      before.l7 !== hub.l7 || before.protocol !== hub.protocol || before.policy !== hub.policy;
    if (changesClaims || reopens) this.touchAll();
    this.#hooks.touchStatus();
  }

  /** Ends the connection; the cluster stays as it is. */
  close(): void {
    this.#watching.abort();
    this.#trust.close();
  }

  /** How the registry stands, for the status. */
  get view(): RegistryView {
    const now = this.#deps.clock.monotonic();
    const state = this.#state;
    const isLost = this.#lostAt !== undefined && now - this.#lostAt >= lossGraceMs;
    if (state.state === "synced" || (state.state === "stale" && !isLost)) return { state: "synced" };
    if (state.error) {
      const { code, detail, nextStep } = state.error;
      return { state: "failed", code, detail, nextStep };
    }
    return { state: "connecting", keepPrevious: now - this.#startedAt < freshMs };
  }

  /** Whether the registry vouches for its listing at this moment. */
  get isSynced(): boolean {
    return this.#state.state === "synced" && this.#trust.trust.synced;
  }

  /** The hold to report: only while the policy removes anything at all. */
  get held(): ReturnType<HubTrust["held"]> {
    if (this.#hub.policy !== "sync" || this.#hub.suspend) return undefined;
    const { services, endpoints } = this.isSynced ? this.ledger.withheld : { services: 0, endpoints: 0 };
    const held = this.#trust.held(services, endpoints);
    if (held?.reason !== "RegistryReset") return held;
    // Known before every host has been planned anew: the status that tells of a reset has to be right at once.
    return { ...held, hold: { ...held.hold, services: Math.max(services, this.#missing().length) } };
  }

  /** Starts reading anew, after what was read last. */
  #watch(last: Snapshot | undefined): void {
    this.#watching.abort();
    this.#watching = new AbortController();
    this.#trust.lose(false);
    this.#noteLoss();
    if (last !== undefined) this.#state = { state: "stale", snapshot: last };
    this.#hooks.touchStatus();
    if (this.#hub.suspend || !this.#mayConnect) return;
    const { signal } = this.#watching;
    this.#follow(last, signal).catch((error: unknown) => this.#hooks.crash(error));
    this.#refreshCredentials(signal).catch((error: unknown) => this.#hooks.crash(error));
  }

  async #follow(last: Snapshot | undefined, signal: AbortSignal): Promise<void> {
    const hub = this.#hub;
    const open = async () => {
      this.#credentials = hub.secretName === undefined ? {} : await this.#hooks.readCredentials(hub, signal);
      const config = {
        registry: hub.registry,
        credentials: this.#credentials,
        wants: (name: string) => wants(hub.filter, name),
        known: () => this.#entries.servicesOf(this.id, hub.target),
      };
      return this.#deps.openRegistry(config, this.#deps);
    };
    for await (const state of supervise(open, this.#deps, signal, last)) {
      if (signal.aborted) return; // what was under way when the hub was edited is another registry's
      this.#take(state);
    }
  }

  async #refreshCredentials(signal: AbortSignal): Promise<void> {
    const hub = this.#hub;
    while (hub.secretName !== undefined && !signal.aborted) {
      await pause(this.#deps.clock, this.#hooks.credentialsMs, signal);
      if (signal.aborted || !this.isSynced) continue;
      const credentials = await this.#hooks.readCredentials(hub, signal).catch((error: unknown) => {
        this.#deps.logger.warn("secret not readable, the connection stays", { error: String(error) });
      });
      if (signal.aborted || credentials === undefined || !differ(credentials, this.#credentials)) continue;
      this.#deps.logger.info("credentials changed, connecting anew");
      this.#watch(this.#snapshot);
      return;
    }
  }

  #take(state: RegistryState): void {
    const before = this.#state;
    this.#state = state;
    if (state.state === "synced") this.#listed(state.snapshot, state.first);
    else this.#lost(state.error, before.state === "synced" ? undefined : before.error);
    this.#hooks.touchStatus();
  }

  #lost(error: RegistryError | undefined, before: RegistryError | undefined): void {
    this.#trust.lose(error?.reset ?? false);
    if (error?.message !== before?.message) {
      this.#deps.logger.warn("registry not readable", { code: error?.code, error: error?.message });
    }
    this.#noteLoss();
  }

  /** From now on the registry does not vouch for its listing; if that lasts, the status says so. */
  #noteLoss(): void {
    if (this.#lostAt !== undefined) return;
    this.#lostAt = this.#deps.clock.monotonic();
    this.#deps.clock.after(lossGraceMs, () => this.#hooks.touchStatus());
  }

  #listed(snapshot: Snapshot, first: boolean): void {
    const { services, origin } = snapshot;
    this.#lostAt = undefined;
    this.#everListed = true;
    const { changed, lost, found, readAgain } = this.listings.update(services, this.#hub);
    const missing = first || readAgain ? this.#missing() : [];
    const extent = this.#extent();
    if (first)
      this.#deps.logger.info("registry listed", {
        services: services.size,
        endpoints: extent.listedEndpoints,
      });
    const isLost = (host: HostKey): boolean => !this.listings.isUnknown(host, this.#serviceOf(host));
    const hold = this.#trust.listed({ first, origin, extent }, [...lost, ...missing].filter(isLost), found);
    this.#noteHold(hold);
    this.#ask(changed, first ? "look" : "changed"); // the first listing is not a change, but what there is
    if (first || readAgain || hold !== undefined) this.touchAll();
  }

  #noteHold(hold: "Shrunk" | "RegistryReset" | undefined): void {
    if (hold !== undefined && this.#hub.policy === "sync") this.#hooks.note(hold);
  }

  /** Hosts that have endpoints of this hub in the cluster and are not listed, though the hub would want them. */
  #missing(): readonly HostKey[] {
    const { filter, target } = this.#hub;
    return [...this.#entries.hostsOf(this.id)]
      .filter(
        ({ host, endpoints }) => endpoints > 0 && !this.listings.has(host) && host.startsWith(`${target}/`),
      )
      .filter(({ service }) => wants(filter, service))
      .map(({ host }) => host);
  }

  #serviceOf(host: HostKey): string {
    return this.#entries.occupant(host)?.entry?.shape.service.name ?? "";
  }

  #extent(): Extent {
    return {
      listedHosts: this.listings.size,
      listedEndpoints: this.listings.endpoints,
      endpointsInCluster: () =>
        [...this.#entries.hostsOf(this.id)].reduce((sum, one) => sum + one.endpoints, 0),
    };
  }

  /** The same snapshot means other hosts or endpoints now. */
  #relist(): void {
    this.touchAll();
    this.#hooks.touch(this.listings.update(new Map(), this.#hub).changed, "look");
    if (this.#snapshot) this.#ask(this.listings.update(this.#snapshot.services, this.#hub).changed, "look");
  }

  /** The listing wants something of these hosts. */
  #ask(hosts: ReadonlySet<HostKey>, urgency: Urgency): void {
    if (this.isWriting) this.ledger.expect(hosts);
    this.#hooks.touch(hosts, urgency);
  }

  /** What was listed last, however long ago. */
  get #snapshot(): Snapshot | undefined {
    return this.#state.state === "pending" ? undefined : this.#state.snapshot;
  }

  /** "Unknown" may have become "gone", or the brake has just stopped that. */
  #flipped(began: "Shrunk" | undefined): void {
    this.#noteHold(began);
    this.touchAll();
    this.#hooks.touchStatus();
  }

  /** Everything the hub lists or owns may have to be planned anew. */
  touchAll(): void {
    this.#hooks.touch(
      [...this.#entries.hostsOf(this.id)].map(({ host }) => host),
      "look",
    );
    this.#hooks.touch([...this.listings.hosts(), ...this.ledger.hosts()], "look");
  }
}

/** What makes it another registry: its address, type and type block. */
function identityOf({ registry }: Hub): unknown {
  return { ...registry, tls: undefined };
}

function differ(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other);
}
