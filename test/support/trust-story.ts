import type { HostKey } from "../../src/model/entry.ts";
import type { Hold } from "../../src/model/registryhub.ts";
import { unlistedVerdict } from "../../src/plan/claims.ts";
import { holdOf, restoredTrust } from "../../src/plan/hold.ts";
import type { Moment } from "../../src/plan/losses.ts";
import { step, type TrustEvent, type TrustStep } from "../../src/plan/trust.ts";
import {
  dueOf,
  type TrustLimits,
  type TrustPhase,
  type TrustState,
  trustPhaseOf,
} from "../../src/plan/trust-state.ts";
import { nothingRemembered, type RememberedTrust } from "../../src/status/memory.ts";

export const [second, minute, hour] = [1_000, 60_000, 3_600_000] as const;
export const limits = {
  settleMs: minute,
  settleAfterLossMs: 2 * minute,
  shrinkHoldMs: 5 * minute,
  resetHoldMs: 24 * hour,
};
/** When every story begins. */
export const start = Date.parse("2024-02-04T03:00:00Z");

/** A hub's trust, driven by the listings of an imagined registry and by a clock; the cluster has one endpoint per host. */
export class Story {
  state: TrustState;
  /** Of every step that told anything: the hold that began, or what changed. */
  readonly steps: Omit<TrustStep, "state">[] = [];
  readonly #isPunctual: boolean;
  #now: Moment = { monotonic: 1_000, wall: start };
  #listed: ReadonlySet<HostKey> = new Set();
  readonly #inCluster: Set<HostKey>;

  /** @param isPunctual false = no timer ever fires. */
  constructor(
    memory: RememberedTrust = nothingRemembered,
    inCluster: Iterable<HostKey> = [],
    isPunctual = true,
    lengths: TrustLimits = limits,
  ) {
    this.#inCluster = new Set(inCluster);
    this.#isPunctual = isPunctual;
    this.state = restoredTrust(lengths, memory, this.#now);
  }

  /** The registry lists these hosts, with so many endpoints, and the cluster has them. Returns the hold that began. */
  list(listed: Iterable<HostKey>, origin?: string, endpoints?: number): TrustStep["began"] {
    const next = new Set(listed);
    const isFirst = !this.state.isSynced;
    const lost = isFirst ? this.#inCluster.difference(next) : this.#listed.difference(next);
    const found = next.difference(this.#listed);
    const endpointsInCluster = this.#inCluster.size;
    for (const host of next) this.#inCluster.add(host);
    this.#listed = next;
    const { size } = next;
    const counts = { listedHosts: size, listedEndpoints: endpoints ?? size };
    return this.#take({
      type: "listed",
      lost,
      found,
      origin,
      ...counts,
      endpointsInCluster: () => endpointsInCluster,
    });
  }

  /** The registry goes away; the next listing is a first one. */
  lose(dataWasLost = false): this {
    this.#take({ type: "lost", dataWasLost, endpointsInCluster: () => this.#inCluster.size });
    return this;
  }

  release(until: string): this {
    this.#take({ type: "released", until });
    return this;
  }

  /** The hub asks for something else: of this, the registry lists these. */
  edit(listed: Iterable<HostKey> = this.#listed): this {
    const before = this.#listed;
    this.#listed = new Set(listed);
    const lost = this.#inCluster.difference(this.#listed);
    const found = this.#listed.difference(before);
    this.#take({ type: "edited", lost, found, listedHosts: this.#listed.size });
    return this;
  }

  move(): this {
    this.#take({ type: "moved", limits });
    return this;
  }

  pass(ms: number): this {
    const until = this.#now.monotonic + ms;
    for (
      let due = dueOf(this.state);
      this.#isPunctual && due !== undefined && due <= until;
      due = dueOf(this.state)
    ) {
      this.#wait(due - this.#now.monotonic);
      this.#take({ type: "due" });
    }
    this.#wait(until - this.#now.monotonic);
    return this;
  }

  /** A timer fires now, however late it is. */
  timer(): this {
    this.#take({ type: "due" });
    return this;
  }

  get phase(): TrustPhase {
    return trustPhaseOf(this.state);
  }

  /** The hosts of the cluster that the registry does not list and that are believed to be gone. */
  get gone(): readonly HostKey[] {
    return [...this.#inCluster.difference(this.#listed)].filter(
      (host) => unlistedVerdict(this.state, host, false) === "gone",
    );
  }

  /** What stays though it is not listed: as the status tells it. */
  get held(): { readonly reason: string; readonly hold: Hold } | undefined {
    const missing = this.#inCluster.difference(this.#listed);
    const services = missing.size - this.gone.length;
    return holdOf(this.state, {
      withheld: { services, endpoints: services },
      missing: () => missing.size,
      endpointsOf: (host) => (this.#inCluster.has(host) ? 1 : 0),
    });
  }

  get until(): string {
    return this.held?.hold.until ?? "";
  }

  /** What the worker does with the verdicts. */
  remove(): void {
    for (const host of this.gone) this.forget(host);
  }

  /** Somebody takes it out of the cluster. */
  forget(host: HostKey): void {
    this.#inCluster.delete(host);
  }

  #wait(ms: number): void {
    this.#now = { monotonic: this.#now.monotonic + ms, wall: this.#now.wall + ms };
  }

  #take(event: TrustEvent): TrustStep["began"] {
    const { state, ...change } = step(this.state, event, this.#now);
    this.state = state;
    if (change.began !== undefined || change.changed === "everything" || change.changed.size > 0)
      this.steps.push(change);
    return change.began;
  }
}

export const hosts = (count: number, from = 0): readonly HostKey[] =>
  Array.from({ length: count }, (_, i) => `ns/h${from + i}`);

/** A story whose hub lists so many hosts and has settled. */
export function settledStory(count: number, origin?: string): Story {
  const story = new Story();
  story.list(hosts(count), origin);
  return story.pass(minute);
}

/** What a status remembers of a hold of four services. */
export function held(
  reason: "Shrunk" | "RegistryReset",
  until: string,
  hold: Partial<Hold> = {},
): RememberedTrust {
  return {
    origin: "o1",
    held: { reason, hold: { since: "2024-02-04T02:00:00Z", until, services: 4, endpoints: 10, ...hold } },
  };
}
