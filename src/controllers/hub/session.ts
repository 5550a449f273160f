import type { Entry, HostKey, Ms } from "../../model/entry.ts";
import type { RegistryError } from "../../model/errors.ts";
import { type Credentials, type Hub, type HubId, type HubStatus, wants } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import type { Snapshot } from "../../model/service.ts";
import { type ClaimInputs, mayWrite } from "../../plan/claims.ts";
import type { OpenRegistry } from "../../registries/index.ts";
import { type RegistryState, supervise } from "../../registries/supervise.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryView } from "../../status/hub-status.ts";
import { hubIdOf } from "../../translate/names.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import type { Urgency } from "../writes/ready-keys.ts";
import { HostLedger } from "./ledger.ts";
import { ListingIndex } from "./listing-index.ts";
import { HubTrust, type ListingCounts, type TrustLimits } from "./trust.ts";

/** A shorter loss of the registry is not reported. */
const lossGraceMs = 5_000;
/** How long an earlier process's status stays while the registry has not answered yet. */
const startupGraceMs = 10_000;

/** What the hub-controller is given, so that a test may give it registries of its own. */
export interface HubDeps extends Deps {
  readonly openRegistry: OpenRegistry;
}

/** What a session needs from its controller. */
export interface SessionHooks {
  /** Queues these hosts for a new plan: they changed, or only have to be looked at. */
  enqueueHosts(hosts: Iterable<HostKey>, urgency: Urgency): void;
  enqueueStatus(): void;
  limitsFor(hub: Hub): TrustLimits;
  /** How often the session re-reads a Secret while the registry is listed. */
  readonly credentialsMs: Ms;
  /** @throws RegistryError SecretInvalid. */
  readCredentials(hub: Hub, signal: AbortSignal): Promise<Credentials>;
  onHoldBegan(reason: "Shrunk" | "RegistryReset"): void;
  /** Reports a bug; the process must end. */
  crash(error: unknown): void;
}

/** One hub while it exists: its connection to the registry, its listing, and how far its silence counts. */
export class HubSession {
  readonly id: HubId;
  readonly listings = new ListingIndex();
  /** The state of the hub's hosts. */
  readonly ledger: HostLedger;
  readonly #entries: EntryIndex;
  readonly #deps: HubDeps;
  readonly #hooks: SessionHooks;
  readonly #startedAt: Ms;
  readonly #trust: HubTrust;
  #hub: Hub;
  #state: RegistryState = { state: "pending" };
  #disconnectedAt: Ms | undefined;
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
    this.ledger = new HostLedger(deps.clock, () => hooks.enqueueStatus());
    this.#startedAt = deps.clock.monotonic();
    const isSameRegistry = previous?.address === hub.registry.address && previous.type === hub.registry.type;
    this.#trust = new HubTrust(
      deps.clock,
      hooks.limitsFor(hub),
      (began) => this.#flipped(began),
      isSameRegistry ? previous : undefined,
    );
    this.#trust.release(hub.releaseHold);
    deps.clock.after(startupGraceMs, () => hooks.enqueueStatus());
  }

  /**
   * Starts reading the registry on the first call. The caller waits until the cluster's ServiceEntries are known,
   * because they decide what the registry lacks and whether it lost its data.
   */
  connect(): void {
    if (this.#mayConnect) return;
    this.#mayConnect = true;
    this.#watch(undefined);
  }

  get hub(): Hub {
    return this.#hub;
  }

  /** Whether the registry has been listed since the last edit that chose another registry. */
  get everListed(): boolean {
    return this.#everListed;
  }

  get origin(): string {
    return this.#trust.origin;
  }

  /** The problems of the registry, of its services, and of the hosts that they ask for. */
  get problems(): readonly Problem[] {
    return [...(this.#snapshot?.problems ?? []), ...this.listings.problems, ...this.ledger.problems];
  }

  /** What the hub's claim on a host rests on at this moment, whether or not its target takes entries of it. */
  claimInputs(host: HostKey, actual: Entry | undefined): ClaimInputs {
    const { id, hub, listings } = this;
    return {
      id,
      hub,
      mayWrite: mayWrite(hub),
      isPending: this.#state.state === "pending",
      trust: this.#trust.trust,
      listed: listings.listed(host),
      isUnreadable: listings.isUnknown(host, actual?.shape.service.name ?? ""),
    };
  }

  /** Applies an edit of the hub. */
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
    if (before.policy !== hub.policy) this.ledger.forgetDryRuns();
    const changesClaims =
      before.l7 !== hub.l7 || before.protocol !== hub.protocol || before.policy !== hub.policy;
    if (changesClaims || reopens) this.enqueueAllHosts();
    this.#hooks.enqueueStatus();
  }

  /** Ends the connection; the cluster stays as it is. */
  close(): void {
    this.#watching.abort();
    this.#trust.close();
  }

  /** The state of the registry, for the status. */
  get view(): RegistryView {
    const now = this.#deps.clock.monotonic();
    const state = this.#state;
    const isLost = this.#disconnectedAt !== undefined && now - this.#disconnectedAt >= lossGraceMs;
    if (state.state === "synced" || (state.state === "stale" && !isLost)) return { state: "synced" };
    if (state.error) {
      const { code, detail, nextStep } = state.error;
      return { state: "failed", code, detail, nextStep };
    }
    return { state: "connecting", keepPrevious: now - this.#startedAt < startupGraceMs };
  }

  /** Whether the registry vouches for its listing now. */
  get isSynced(): boolean {
    return this.#state.state === "synced" && this.#trust.trust.synced;
  }

  /** The hold to report, if the policy removes anything at all. */
  get held(): ReturnType<HubTrust["held"]> {
    if (this.#hub.policy !== "sync" || this.#hub.suspend) return undefined;
    const { services, endpoints } = this.isSynced ? this.ledger.withheld : { services: 0, endpoints: 0 };
    const held = this.#trust.held(services, endpoints);
    if (held?.reason !== "RegistryReset") return held;
    // Known before every host has a new plan, because the status must report a reset at once.
    return { ...held, hold: { ...held.hold, services: Math.max(services, this.#missing().length) } };
  }

  /** Starts reading again; `last` is the newest earlier snapshot. */
  #watch(last: Snapshot | undefined): void {
    this.#watching.abort();
    this.#watching = new AbortController();
    this.#trust.lose(false);
    this.#startLossGrace();
    if (last !== undefined) this.#state = { state: "stale", snapshot: last };
    this.#hooks.enqueueStatus();
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
      if (state.state === "synced")
        await this.listings.prepare(state.snapshot.services, this.#hub, this.#deps.clock);
      if (signal.aborted) return; // an answer from before the edit belongs to another registry
      this.#take(state);
    }
  }

  async #refreshCredentials(signal: AbortSignal): Promise<void> {
    const hub = this.#hub;
    while (hub.secretName !== undefined && !signal.aborted) {
      await pause(this.#deps.clock, this.#hooks.credentialsMs, signal);
      if (signal.aborted || !this.isSynced) continue;
      const credentials = await this.#hooks.readCredentials(hub, signal).catch((error: unknown) => {
        this.#deps.logger.warn("secret not readable, keeping the connection", { error: String(error) });
      });
      if (signal.aborted || credentials === undefined || !differ(credentials, this.#credentials)) continue;
      this.#deps.logger.info("credentials changed, reconnecting");
      this.#watch(this.#snapshot);
      return;
    }
  }

  #take(state: RegistryState): void {
    const before = this.#state;
    this.#state = state;
    if (state.state === "synced") this.#listed(state.snapshot, state.first);
    else this.#lost(state.error, before.state === "synced" ? undefined : before.error);
    this.#hooks.enqueueStatus();
  }

  #lost(error: RegistryError | undefined, before: RegistryError | undefined): void {
    this.#trust.lose(error?.reset ?? false);
    if (error?.message !== before?.message) {
      this.#deps.logger.warn("registry not readable", { code: error?.code, error: error?.message });
    }
    this.#startLossGrace();
  }

  /** The registry no longer vouches for its listing. If that lasts, the status says so. */
  #startLossGrace(): void {
    if (this.#disconnectedAt !== undefined) return;
    this.#disconnectedAt = this.#deps.clock.monotonic();
    this.#deps.clock.after(lossGraceMs, () => this.#hooks.enqueueStatus());
  }

  #listed(snapshot: Snapshot, first: boolean): void {
    const { services, origin } = snapshot;
    this.#disconnectedAt = undefined;
    this.#everListed = true;
    const { changed, lost, found, readAgain } = this.listings.update(services, this.#hub);
    const missing = first || readAgain ? this.#missing() : [];
    const counts = this.#counts();
    if (first)
      this.#deps.logger.info("registry listed", {
        services: services.size,
        endpoints: counts.listedEndpoints,
      });
    const isLost = (host: HostKey): boolean => !this.listings.isUnknown(host, this.#serviceOf(host));
    const hold = this.#trust.listed({ first, origin, counts }, [...lost, ...missing].filter(isLost), found);
    this.#reportHold(hold);
    this.#requestHosts(changed, first ? "look" : "changed"); // the first listing is not a change, but what there is
    if (first || readAgain || hold !== undefined) this.enqueueAllHosts();
  }

  #reportHold(hold: "Shrunk" | "RegistryReset" | undefined): void {
    if (hold !== undefined && this.#hub.policy === "sync") this.#hooks.onHoldBegan(hold);
  }

  /** Hosts with endpoints of this hub in the cluster that the registry does not list, although the hub wants them. */
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
    return this.#entries.hostObject(host)?.entry?.shape.service.name ?? "";
  }

  #counts(): ListingCounts {
    return {
      listedHosts: this.listings.size,
      listedEndpoints: this.listings.endpoints,
      endpointsInCluster: () =>
        [...this.#entries.hostsOf(this.id)].reduce((sum, one) => sum + one.endpoints, 0),
    };
  }

  /** The same snapshot now means other hosts or endpoints. */
  #relist(): void {
    this.enqueueAllHosts();
    this.#hooks.enqueueHosts(this.listings.update(new Map(), this.#hub).changed, "look");
    if (this.#snapshot)
      this.#requestHosts(this.listings.update(this.#snapshot.services, this.#hub).changed, "look");
  }

  /** The listing changed these hosts. */
  #requestHosts(hosts: ReadonlySet<HostKey>, urgency: Urgency): void {
    if (mayWrite(this.#hub)) this.ledger.markPending(hosts);
    this.#hooks.enqueueHosts(hosts, urgency);
  }

  /** The newest snapshot, however old. */
  get #snapshot(): Snapshot | undefined {
    return this.#state.state === "pending" ? undefined : this.#state.snapshot;
  }

  /** "Unknown" may have become "gone", or the brake has just prevented that. */
  #flipped(began: "Shrunk" | undefined): void {
    this.#reportHold(began);
    this.enqueueAllHosts();
    this.#hooks.enqueueStatus();
  }

  /** Queues everything that the hub lists or owns. */
  enqueueAllHosts(): void {
    this.#hooks.enqueueHosts(
      [...this.#entries.hostsOf(this.id)].map(({ host }) => host),
      "look",
    );
    this.#hooks.enqueueHosts([...this.listings.hosts(), ...this.ledger.hosts()], "look");
  }
}

/** The fields whose change means another registry: address, type and type block. */
function identityOf({ registry }: Hub): unknown {
  return { ...registry, tls: undefined };
}

function differ(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other);
}
