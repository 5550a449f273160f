import type { Ms } from "../model/entry.ts";
import { pause } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import type { KubeClient } from "./client.ts";
import { KubeError, retryDelay } from "./errors.ts";
import { type Lease, type LeaseId, leaseClient } from "./lease.ts";

/** Kubernetes' own components use the same three. Source: k8s.io/component-base/config/v1alpha1/defaults.go. */
const leaseMs = 15_000;
/** A leader that could not renew for this long stops, well before anybody else begins. */
const renewDeadlineMs = 10_000;
const retryMs = 2_000;

/** Another process leads from now on, or may: whatever was being written has to be given up. */
export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}

/**
 * Lets one process at a time work, by a Lease. The others wait, and never compare anybody's clock with their own: a
 * Lease has run out when it has not changed for its duration, as measured here.
 */
export class Election {
  readonly #id: LeaseId;
  readonly #lease: ReturnType<typeof leaseClient>;
  readonly #deps: Deps;
  /** The Lease as it was last seen, and since when it has looked like that. */
  #seen: { readonly lease: Lease; readonly text: string; readonly at: Ms } | undefined;
  /** On the monotonic clock; 0 = not held. Counted from before the request that renewed it was sent. */
  #heldUntil: Ms = 0;
  #problem: string | undefined;

  /** `client` is not used for anything else: a renewal must not wait behind other writes. */
  constructor(client: KubeClient, id: LeaseId, deps: Deps) {
    this.#id = id;
    this.#lease = leaseClient(client, id);
    this.#deps = deps;
  }

  /** Why this process can neither lead nor wait for its turn, where only a person can change that. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * To be called right before each write. It asks the monotonic clock and no timer, so a process that was stopped for
   * longer than its Lease writes nothing when it wakes up.
   * @throws KubeError (NotLeading) when the Lease may be somebody else's by now.
   */
  assertLeading(): void {
    if (this.#deps.clock.monotonic() < this.#heldUntil) return;
    const text = `not sent: this process no longer holds the Lease ${this.#name}`;
    throw new KubeError({ status: 0, reason: "NotLeading", text });
  }

  /**
   * Waits until this process leads, then works once, and gives the Lease back at the end. Ends without having worked
   * when `signal` aborts before.
   * @throws LeadershipLost when the Lease was lost while it worked; the work's signal has aborted and the work has ended.
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

  /** Renews until `signal` aborts; aborts `lost` when somebody else has the Lease, or might have. */
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

  /** True: this process holds the Lease. An error is logged when it is news; whoever asks asks again. */
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
    const sentAt = clock.monotonic();
    try {
      const current = known?.spec?.holderIdentity === identity ? known : await this.#look(signal);
      if (current !== undefined && !this.#isFree(current)) return false;
      this.#see(await this.#lease.hold(current, leaseMs, clock.now(), signal));
    } catch (error) {
      if (!isOutdated(error)) throw error;
      const current = await this.#look(signal);
      return current?.spec?.holderIdentity === identity && this.#hold(signal);
    }
    this.#heldUntil = sentAt + renewDeadlineMs;
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

  /** So that the next one need not wait until the Lease has run out. */
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

/** Somebody was faster, or has edited or deleted the Lease. */
function isOutdated(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status === 409 || (error.status === 404 && error.reason !== "NamespaceMissing");
}
