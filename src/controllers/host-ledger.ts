import type { HostKey, Ms } from "../model/entry.ts";
import type { HubStatus } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";
import type { Clock } from "../runtime/deps.ts";
import type { ApplyFailure } from "../status/hub-status.ts";

/** What would be done to a host. */
export type Verdict = "create" | "change" | "remove";

/** What became of one hub's hosts since they were listed: what the status counts. `changed` is called when it may differ. */
export class HostLedger {
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** Endpoints that stay in the cluster only because the hub cannot vouch for their absence. */
  readonly #withheld = new Map<HostKey, number>();
  readonly #problems = new Map<HostKey, readonly Problem[]>();
  readonly #failures = new Map<HostKey, ApplyFailure>();
  readonly #rehearsals = new Map<HostKey, Verdict>();
  /** Hosts that a listing touched and that have not been planned and written since. */
  readonly #unwritten = new Map<HostKey, Ms>();

  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** A listing asks for these hosts. */
  expect(hosts: Iterable<HostKey>): void {
    const now = this.#clock.monotonic();
    for (const host of hosts) this.#unwritten.set(host, this.#unwritten.get(host) ?? now);
  }

  /** What planning a host found out. */
  tell(host: HostKey, withheld: number, problems: readonly Problem[]): void {
    const isNews =
      withheld > 0 !== this.#withheld.has(host) || problems.length > 0 !== this.#problems.has(host);
    if (withheld > 0) this.#withheld.set(host, withheld);
    else this.#withheld.delete(host);
    if (problems.length > 0) this.#problems.set(host, problems);
    else this.#problems.delete(host);
    if (isNews) this.#changed();
  }

  /** The host is as it should be. Returns how long ago the listing that asked for it came, if one did. */
  written(host: HostKey): Ms | undefined {
    if (this.#failures.delete(host)) this.#changed();
    const since = this.#unwritten.get(host);
    if (!this.#unwritten.delete(host) || since === undefined) return undefined;
    if (this.#unwritten.size === 0) this.#changed();
    return this.#clock.monotonic() - since;
  }

  /** The host could not be written. */
  failed(host: HostKey, failure: ApplyFailure): void {
    this.#failures.set(host, failure);
    this.#changed();
  }

  /** What would be done to the host if the hub did more than observe. Returns whether that is news. */
  rehearsed(host: HostKey, verdict: Verdict | undefined): boolean {
    if (this.#rehearsals.get(host) === verdict) return false;
    if (verdict === undefined) this.#rehearsals.delete(host);
    else this.#rehearsals.set(host, verdict);
    this.#changed();
    return true;
  }

  /** Nothing is rehearsed any more. */
  forgetRehearsals(): void {
    this.#rehearsals.clear();
  }

  /** Hosts that something is known of, listed or not. */
  *hosts(): Generator<HostKey> {
    for (const map of [this.#unwritten, this.#failures, this.#withheld, this.#problems, this.#rehearsals])
      yield* map.keys();
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values()].flat();
  }

  get failures(): readonly ApplyFailure[] {
    return [...this.#failures.values()];
  }

  /** How many hosts have withheld endpoints, and how many those are. */
  get withheld(): { readonly services: number; readonly endpoints: number } {
    const endpoints = [...this.#withheld.values()].reduce((sum, count) => sum + count, 0);
    return { services: this.#withheld.size, endpoints };
  }

  /** For how long some host has been waiting to be written. */
  get unwrittenForMs(): Ms {
    const since = this.#unwritten.values().next().value;
    return since === undefined ? 0 : this.#clock.monotonic() - since;
  }

  /** How many hosts would see what. */
  get plan(): NonNullable<HubStatus["plan"]> {
    const plan = { create: 0, change: 0, remove: 0 };
    for (const verdict of this.#rehearsals.values()) plan[verdict]++;
    return plan;
  }
}
