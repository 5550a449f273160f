import type { HostKey, Ms } from "../../model/entry.ts";
import type { HubStatus } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";

/** What the operator would do to a host. */
export type DryRunResult = "create" | "change" | "remove";

/** The state of one hub's hosts since they were listed, for the status. Calls `changed` when that state may differ. */
export class HostLedger {
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** How many endpoints stay only because the hub cannot vouch for their absence. */
  readonly #withheld = new Map<HostKey, number>();
  readonly #problems = new Map<HostKey, readonly Problem[]>();
  readonly #failures = new Map<HostKey, ApplyFailure>();
  readonly #dryRuns = new Map<HostKey, DryRunResult>();
  /** Hosts that a listing changed and that wait for their plan and write, with the time of the listing. */
  readonly #unwritten = new Map<HostKey, Ms>();

  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** A listing changed these hosts. */
  markPending(hosts: Iterable<HostKey>): void {
    const now = this.#clock.monotonic();
    for (const host of hosts) this.#unwritten.set(host, this.#unwritten.get(host) ?? now);
  }

  /** Records the results of planning a host. */
  recordPlan(host: HostKey, withheld: number, problems: readonly Problem[]): void {
    const isNews =
      withheld > 0 !== this.#withheld.has(host) || problems.length > 0 !== this.#problems.has(host);
    if (withheld > 0) this.#withheld.set(host, withheld);
    else this.#withheld.delete(host);
    if (problems.length > 0) this.#problems.set(host, problems);
    else this.#problems.delete(host);
    if (isNews) this.#changed();
  }

  /** The host is as planned. Returns how long ago the listing that changed it arrived, if there was one. */
  markApplied(host: HostKey): Ms | undefined {
    if (this.#failures.delete(host)) this.#changed();
    const since = this.#unwritten.get(host);
    if (!this.#unwritten.delete(host) || since === undefined) return undefined;
    if (this.#unwritten.size === 0) this.#changed();
    return this.#clock.monotonic() - since;
  }

  /** The write of the host failed. */
  markFailed(host: HostKey, failure: ApplyFailure): void {
    this.#failures.set(host, failure);
    this.#changed();
  }

  /** Records what the operator would do to the host if the hub did more than observe. Returns whether that is new. */
  recordDryRun(host: HostKey, verdict: DryRunResult | undefined): boolean {
    if (this.#dryRuns.get(host) === verdict) return false;
    if (verdict === undefined) this.#dryRuns.delete(host);
    else this.#dryRuns.set(host, verdict);
    this.#changed();
    return true;
  }

  /** Drops all records of what the operator would do. */
  forgetDryRuns(): void {
    this.#dryRuns.clear();
  }

  /** Every host with a record, listed or not. */
  *hosts(): Generator<HostKey> {
    for (const map of [this.#unwritten, this.#failures, this.#withheld, this.#problems, this.#dryRuns])
      yield* map.keys();
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values()].flat();
  }

  get failures(): readonly ApplyFailure[] {
    return [...this.#failures.values()];
  }

  /** How many hosts have withheld endpoints, and how many endpoints. */
  get withheld(): { readonly services: number; readonly endpoints: number } {
    const endpoints = [...this.#withheld.values()].reduce((sum, count) => sum + count, 0);
    return { services: this.#withheld.size, endpoints };
  }

  /** How long the oldest waiting host has been waiting for its write. */
  get unwrittenForMs(): Ms {
    const since = this.#unwritten.values().next().value;
    return since === undefined ? 0 : this.#clock.monotonic() - since;
  }

  /** How many hosts the operator would create, change and remove. */
  get plan(): NonNullable<HubStatus["plan"]> {
    const plan = { create: 0, change: 0, remove: 0 };
    for (const verdict of this.#dryRuns.values()) plan[verdict]++;
    return plan;
  }
}
