import type { Instant } from "../model/entry.ts";
import { pause } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import type { KubeClient } from "./client.ts";
import { KubeError, retryDelay } from "./errors.ts";
import { type Lease, type LeaseId, leaseClient } from "./lease.ts";

/** Kubernetes' own components use the same three. Source: k8s.io/component-base/config/v1alpha1/defaults.go. */
const leaseMs = 15_000;
/** A leader that could not renew for this long stops, well before another process can begin. */
const renewDeadlineMs = 10_000;
const retryMs = 2_000;

/** Another process leads now, or may lead; every write in progress must be abandoned. */
export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}

/**
 * Elects one working process with a Lease. The others wait. They never compare another machine's clock with their
 * own: a Lease has expired when it has not changed for its duration, as measured locally.
 */
export class Election {
  readonly #id: LeaseId;
  readonly #lease: ReturnType<typeof leaseClient>;
  readonly #deps: Deps;
  /** The newest Lease seen, and since when it has been unchanged. */
  #seen: { readonly lease: Lease; readonly text: string; readonly at: Instant } | undefined;
  /** On the monotonic clock; 0 = not held. Counts from just before the renewing request was sent. */
  #heldUntil: Instant = 0;
  /** The wall time of that moment. */
  #renewedAt = 0;
  #problem: string | undefined;

  /** `client` serves nothing else, because a renewal must not wait behind other writes. */
  constructor(client: KubeClient, id: LeaseId, deps: Deps) {
    this.#id = id;
    this.#lease = leaseClient(client, id);
    this.#deps = deps;
  }

  /** Why this process can neither lead nor wait for its turn, if only a person can fix that. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Call it right before each write. It compares clocks and uses no timer, so a process that was suspended for longer than
   * its Lease writes nothing when it wakes up: the wall clock shows that where the monotonic one stood still, as in a
   * virtual machine. A wall clock that somebody sets costs the time until the next renewal.
   * @throws KubeError (NotLeading) when another process may hold the Lease by now.
   */
  assertLeading(): void {
    const { clock } = this.#deps;
    const wallMs = Math.abs(clock.now() - this.#renewedAt);
    if (clock.monotonic() < this.#heldUntil && wallMs <= renewDeadlineMs) return;
    const text = `not sent: this process no longer holds the Lease ${this.#name}`;
    throw new KubeError({ status: 0, reason: "NotLeading", text });
  }

  /**
   * Waits until this process leads, runs `work` once, and then releases the Lease. Returns without running it if
   * `signal` aborts first.
   * @throws LeadershipLost if the Lease was lost during `work`; its signal has aborted and it has ended by then.
   */
  async lead(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    if (!(await this.#acquire(signal))) return;
    const lost = new AbortController();
    const done = new AbortController();
    const renewing = this.#renew(lost, AbortSignal.any([done.signal, lost.signal]));
    try {
      await work(AbortSignal.any([signal, lost.signal]));
    } finally {
      done.abort();
      await renewing;
      if (!lost.signal.aborted) await this.#release();
    }
    if (lost.signal.aborted) throw lost.signal.reason;
  }

  get #name(): string {
    return `${this.#id.namespace}/${this.#id.name}`;
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { clock, logger, random } = this.#deps;
    let leader: string | undefined;
    while (!signal.aborted) {
      if (await this.#tryToHold(signal)) {
        logger.info("leading", { lease: this.#name, identity: this.#id.identity });
        return true;
      }
      const holder = this.#seen?.lease.spec?.holderIdentity ?? undefined;
      if (holder !== leader) logger.info("standing by", { lease: this.#name, leader: holder });
      leader = holder;
      await pause(clock, retryMs * (1 + random() / 5), signal);
    }
    return false;
  }

  /** Renews until `signal` aborts; aborts `lost` when another process has the Lease, or may have it. */
  async #renew(lost: AbortController, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const lose = (why: string): void => {
      this.#heldUntil = 0;
      lost.abort(new LeadershipLost(`this process lost the Lease ${this.#name}: ${why}`));
    };
    while (!signal.aborted) {
      const late = `it could not be renewed for ${renewDeadlineMs / 1_000} s`;
      const cancel = clock.after(this.#heldUntil - clock.monotonic(), () => lose(late));
      await pause(clock, retryMs, signal);
      if (!signal.aborted) await this.#tryToHold(signal);
      cancel();
      const holder = this.#seen?.lease.spec?.holderIdentity;
      if (holder !== this.#id.identity && !signal.aborted) lose(`it is held by ${holder || "nobody"}`);
    }
  }

  /** Returns whether this process holds the Lease. It logs an error when it is new; the caller retries. */
  async #tryToHold(signal: AbortSignal): Promise<boolean> {
    const { clock, logger } = this.#deps;
    try {
      const isHeld = await this.#hold(signal);
      this.#problem = undefined;
      return isHeld;
    } catch (error) {
      if (!(error instanceof KubeError)) {
        if (signal.aborted) return false;
        throw error;
      }
      const problem = `this process cannot hold the Lease ${this.#name}: ${error.message}`;
      if (problem !== this.#problem) logger.warn("lease not held", { error: problem });
      this.#problem = retryDelay(error) === undefined ? problem : undefined;
      return clock.monotonic() < this.#heldUntil;
    }
  }

  async #hold(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#deps;
    const { identity } = this.#id;
    const known = this.#seen?.lease;
    const [sentAt, wallAt] = [clock.monotonic(), clock.now()];
    try {
      const current = known?.spec?.holderIdentity === identity ? known : await this.#look(signal);
      if (current !== undefined && !this.#isFree(current)) return false;
      this.#see(await this.#lease.acquireOrRenew(current, leaseMs, clock.now(), signal));
    } catch (error) {
      if (!isOutdated(error)) throw error;
      const current = await this.#look(signal);
      return current?.spec?.holderIdentity === identity && this.#hold(signal);
    }
    this.#heldUntil = sentAt + renewDeadlineMs;
    this.#renewedAt = wallAt;
    return true;
  }

  async #look(signal: AbortSignal): Promise<Lease | undefined> {
    const lease = await this.#lease.read(signal);
    if (lease === undefined) this.#seen = undefined;
    else this.#see(lease);
    return lease;
  }

  #see(lease: Lease): void {
    const text = JSON.stringify([lease.metadata.uid, lease.spec]);
    const at = this.#seen?.text === text ? this.#seen.at : this.#deps.clock.monotonic();
    this.#seen = { lease, text, at };
  }

  #isFree({ spec }: Lease): boolean {
    const { holderIdentity, leaseDurationSeconds = leaseMs / 1_000 } = spec ?? {};
    if (!holderIdentity || holderIdentity === this.#id.identity) return true;
    return this.#deps.clock.monotonic() >= (this.#seen?.at ?? 0) + leaseDurationSeconds * 1_000;
  }

  /** Releases the Lease, so that the next leader need not wait for its expiry. */
  async #release(): Promise<void> {
    this.#heldUntil = 0;
    const lease = this.#seen?.lease;
    if (lease === undefined) return;
    try {
      await this.#lease.release(lease, new AbortController().signal);
    } catch (error) {
      this.#deps.logger.warn("lease not released", { error: (error as Error).message });
    }
  }
}

/** Whether another process was faster, or somebody edited or deleted the Lease. */
function isOutdated(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status === 409 || (error.status === 404 && error.reason !== "NamespaceMissing");
}
