import type { Instant, Ms } from "../../model/entry.ts";
import { type Credentials, factKeys, type Hub, wants } from "../../model/hub.ts";
import type { Snapshot } from "../../model/service.ts";
import type { OpenRegistry } from "../../registries/index.ts";
import { type RegistryState, supervise } from "../../registries/supervise.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryView } from "../../status/hub-status.ts";

/** A shorter loss of the registry is not reported. */
const lossGraceMs = 5_000;

/** What the hub-controller is given, so that a test may give it registries of its own. */
export interface HubDeps extends Deps {
  readonly openRegistry: OpenRegistry;
}

/** What a connection needs from its session and its controller. */
export interface ConnectionHooks {
  /** Called with each snapshot before `onState`, for work that takes long and can be cut into slices. */
  prepare(snapshot: Snapshot): Promise<void>;
  /** The registry has been listed or lost. */
  onState(state: RegistryState, before: RegistryState): void;
  /** The state that the status reports may have changed. */
  enqueueStatus(): void;
  /** The connection has to start again: its credentials have changed. */
  reconnect(): void;
  /** The names of the services that the cluster has of the hub. */
  known(): Iterable<string>;
  /** How often the connection re-reads a Secret while the registry is listed. */
  readonly credentialsMs: Ms;
  /** @throws RegistryError SecretInvalid. */
  readCredentials(hub: Hub, signal: AbortSignal): Promise<Credentials>;
  /** Reports a bug: nothing is read any more. */
  onBug(error: unknown): void;
}

/** The connection of one hub to its registry, and what is known of the registry through it. */
export class HubConnection {
  readonly #deps: HubDeps;
  readonly #hooks: ConnectionHooks;
  #state: RegistryState = { state: "pending" };
  #lostAt: Instant | undefined;
  #credentials: Credentials = {};
  #watching = new AbortController();

  constructor(deps: HubDeps, hooks: ConnectionHooks) {
    this.#deps = deps;
    this.#hooks = hooks;
  }

  get state(): RegistryState {
    return this.#state;
  }

  /** The newest snapshot, however old. */
  get snapshot(): Snapshot | undefined {
    return this.#state.state === "pending" ? undefined : this.#state.snapshot;
  }

  /** The state of the registry, for the status. */
  get view(): RegistryView {
    const state = this.#state;
    const isLost = this.#lostAt !== undefined && this.#deps.clock.monotonic() - this.#lostAt >= lossGraceMs;
    if (state.state === "synced" || (state.state === "stale" && !isLost)) return { state: "synced" };
    if (state.error) {
      const { code, detail, nextStep } = state.error;
      return { state: "failed", code, detail, nextStep };
    }
    return { state: "connecting" };
  }

  /** Reads the registry of this hub until `stop`. */
  start(hub: Hub): void {
    const { signal } = this.#watching;
    this.#follow(hub, signal).catch((error: unknown) => this.#hooks.onBug(error));
    this.#refreshCredentials(hub, signal).catch((error: unknown) => this.#hooks.onBug(error));
  }

  /** Ends the connection; `forget` also drops the snapshot, which belongs to another registry. */
  stop(forget = false): void {
    this.#watching.abort();
    this.#watching = new AbortController();
    this.#noteLoss();
    const { snapshot } = this;
    if (forget) this.#state = { state: "pending" };
    else if (snapshot !== undefined) this.#state = { state: "stale", snapshot };
  }

  /** Ends it for good. */
  close(): void {
    this.#watching.abort();
  }

  async #follow(hub: Hub, signal: AbortSignal): Promise<void> {
    const open = async (_: AbortSignal, failures: number) => {
      this.#credentials = hub.secretName === undefined ? {} : await this.#hooks.readCredentials(hub, signal);
      const config = {
        registry: hub.registry,
        credentials: this.#credentials,
        wants: (name: string) => wants(hub.filter, name),
        keys: factKeys(hub.instances),
        known: () => this.#hooks.known(),
        failures,
      };
      return this.#deps.openRegistry(config, this.#deps);
    };
    for await (const state of supervise(open, this.#deps, signal, this.snapshot)) {
      if (state.state === "synced") await this.#hooks.prepare(state.snapshot);
      if (signal.aborted) return; // an answer from before the edit belongs to another registry
      this.#take(state);
    }
  }

  async #refreshCredentials(hub: Hub, signal: AbortSignal): Promise<void> {
    while (hub.secretName !== undefined && !signal.aborted) {
      await pause(this.#deps.clock, this.#hooks.credentialsMs, signal);
      if (signal.aborted || this.#state.state !== "synced") continue;
      const credentials = await this.#hooks.readCredentials(hub, signal).catch((error: unknown) => {
        this.#deps.logger.warn("secret not readable, keeping the connection", { error: String(error) });
      });
      if (signal.aborted || credentials === undefined || !differ(credentials, this.#credentials)) continue;
      this.#deps.logger.info("credentials changed, reconnecting");
      this.#hooks.reconnect();
      return;
    }
  }

  #take(state: RegistryState): void {
    const before = this.#state;
    this.#state = state;
    if (state.state === "synced") this.#lostAt = undefined;
    else this.#noteLoss();
    this.#hooks.onState(state, before);
  }

  /** The registry no longer vouches for its listing. If that lasts, the status says so. */
  #noteLoss(): void {
    if (this.#lostAt !== undefined) return;
    this.#lostAt = this.#deps.clock.monotonic();
    this.#deps.clock.after(lossGraceMs, () => this.#hooks.enqueueStatus());
  }
}

function differ(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other);
}
