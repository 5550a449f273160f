import type { HostKey, Instant, Ms } from "../../model/entry.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";
import { oneAboutWeights } from "./host-problems.ts";

/** What the operator would do to a host. */
export type DryRunResult = "create" | "change" | "remove";

interface Unwritten {
  readonly since: Instant;
  /** From then on its write is late: it has been asked for, and its pace allows it. */
  readonly lateFrom: Instant;
  /** The host has been planned since. */
  readonly isPlanned: boolean;
}

/** The state of one hub's hosts since they were listed, for the status. Calls `changed` when that state may differ. */
export class HostLedger {
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #written: (waiting: Iterable<HostKey>) => void;
  /** How many endpoints stay only because the hub cannot vouch for their absence. */
  readonly #withheld = new Map<HostKey, number>();
  readonly #problems = new Map<HostKey, readonly Problem[]>();
  readonly #failures = new Map<HostKey, ApplyFailure>();
  readonly #dryRuns = new Map<HostKey, DryRunResult>();
  /** Hosts that wait for their plan and write, the oldest first. */
  readonly #unwritten = new Map<HostKey, Unwritten>();
  /** Of those: not only a listing asked for them, but a decision: an edit, a namespace that opted in, the end of a hold. */
  readonly #decided = new Set<HostKey>();
  /** Hosts that the hub lists and of which nothing is made, because they are somebody else's. */
  readonly #rejected = new Set<HostKey>();
  /** By a host that is not written: those that wait for that. */
  readonly #waiting = new Map<HostKey, Set<HostKey>>();

  /** @param written called with the hosts that waited for the write of another one, once that is done. */
  constructor(
    clock: Clock,
    changed: () => void,
    written: (waiting: Iterable<HostKey>) => void = () => undefined,
  ) {
    this.#clock = clock;
    this.#changed = changed;
    this.#written = written;
  }

  /** A listing, or a decision of ours or of the owner, changed these hosts. */
  markPending(hosts: Iterable<HostKey>, by: "listing" | "decision"): void {
    const now = this.#clock.monotonic();
    const fresh: Unwritten = { since: now, lateFrom: now, isPlanned: false }; // one object for 10,000 hosts
    for (const host of hosts) {
      const before = this.#unwritten.get(host);
      this.#unwritten.set(host, before ? { ...before, isPlanned: false } : fresh);
      if (by === "decision") this.#decided.add(host);
    }
  }

  /** Records the results of planning a host. */
  recordPlan(host: HostKey, withheld: number, problems: readonly Problem[]): void {
    const isNews =
      withheld > 0 !== this.#withheld.has(host) || problems.length > 0 !== this.#problems.has(host);
    if (withheld > 0) this.#withheld.set(host, withheld);
    else this.#withheld.delete(host);
    if (problems.length > 0) this.#problems.set(host, problems);
    else this.#problems.delete(host);
    const unwritten = this.#unwritten.get(host);
    if (unwritten) this.#unwritten.set(host, { ...unwritten, isPlanned: true });
    if (isNews) this.#changed();
  }

  /** The host is written in so many ms: it is large, and was written a moment ago. */
  markPaced(host: HostKey, ms: Ms): void {
    const unwritten = this.#unwritten.get(host);
    if (unwritten) this.#unwritten.set(host, { ...unwritten, lateFrom: this.#clock.monotonic() + ms });
  }

  /** The host is as planned. Returns how long ago the listing that changed it arrived, if it was a listing. */
  markApplied(host: HostKey): Ms | undefined {
    this.#rejected.delete(host);
    const tookMs = this.#markApplied(host);
    const waiting = this.#waiting.get(host);
    if (waiting !== undefined && !this.isUnwritten(host)) {
      this.#waiting.delete(host);
      this.#written(waiting);
    }
    return tookMs;
  }

  #markApplied(host: HostKey): Ms | undefined {
    if (this.#failures.delete(host)) this.#changed();
    const unwritten = this.#unwritten.get(host);
    if (unwritten === undefined || !unwritten.isPlanned) return undefined; // it was planned before something asked for it
    this.#unwritten.delete(host);
    const wasDecided = this.#decided.delete(host);
    if (this.#unwritten.size === 0 || (wasDecided && !this.isCarryingOut)) this.#changed();
    return wasDecided ? undefined : this.#clock.monotonic() - unwritten.since;
  }

  /** As `markApplied`, but nothing was made of the host, so what it should replace stays. */
  markRejected(host: HostKey): Ms | undefined {
    this.#rejected.add(host);
    return this.#markApplied(host);
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
    return oneAboutWeights([...this.#problems.values()].flat());
  }

  get failures(): readonly ApplyFailure[] {
    return [...this.#failures.values()];
  }

  /** A host waits until another one is written. */
  awaitWrite(unwritten: HostKey, waiting: HostKey): void {
    this.#waiting.set(unwritten, (this.#waiting.get(unwritten) ?? new Set()).add(waiting));
  }

  /** Whether the host waits for its write, for another try, or for somebody to give it up. */
  isUnwritten(host: HostKey): boolean {
    return this.#unwritten.has(host) || this.#failures.has(host) || this.#rejected.has(host);
  }

  /** How many hosts have withheld endpoints, and how many endpoints. */
  get withheld(): { readonly services: number; readonly endpoints: number } {
    const endpoints = [...this.#withheld.values()].reduce((sum, count) => sum + count, 0);
    return { services: this.#withheld.size, endpoints };
  }

  /** Whether endpoints of the host are withheld. */
  withholds(host: HostKey): boolean {
    return this.#withheld.has(host);
  }

  /** Hosts with withheld endpoints. */
  withheldHosts(): IterableIterator<HostKey> {
    return this.#withheld.keys();
  }

  /** Whether a decision still waits for the plan and write of some host. */
  get isCarryingOut(): boolean {
    return this.#decided.size > 0;
  }

  /** How late the write of a host is at most; undefined = none waits for its write. */
  get unwrittenForMs(): Ms | undefined {
    if (this.#unwritten.size === 0) return undefined;
    let first = Infinity;
    for (const { since, lateFrom } of this.#unwritten.values()) {
      if (since >= first) break; // so are all that come after it, and a write is never late before it is asked for
      first = Math.min(first, lateFrom);
    }
    return Math.max(0, this.#clock.monotonic() - first);
  }

  /** How many hosts the operator would create, change and remove. */
  get plan(): NonNullable<HubStatus["plan"]> {
    const plan = { create: 0, change: 0, remove: 0 };
    for (const verdict of this.#dryRuns.values()) plan[verdict]++;
    return plan;
  }
}
