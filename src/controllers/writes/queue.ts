import { type KubeError, retryDelay } from "../../kube/errors.ts";
import type { Instant, Ms } from "../../model/entry.ts";
import { nextTurn } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { sliceMs, untilFree } from "../../runtime/slices.ts";
import { moreUrgent, namespaceOf, ReadyKeys, type Turn, type Urgency } from "./ready-keys.ts";

const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;
/** What the API server refuses for good waits longer: it is tried again when something changes, or is called back. */
const maxRefusedBackoffMs = 600_000;
/** A namespace in which changes have waited for so long without a break changes faster than the API server writes. */
const overrunMs = 2_000;
/**
 * Beside others it has this part of the workers: the more writes are in flight, the longer takes each, whoever's it is.
 * So long after its last change another namespace counts as such.
 */
const [overrunShare, companyMs] = [1 / 8, 60_000];

/**
 * The result for a key: done, run again later, or failed (the queue backs off per key, at least `atLeastMs`, and longer
 * if the write was `refused` so that no retry can heal it).
 */
export type Outcome = undefined | { readonly againInMs: Ms } | Failed;

interface Failed {
  readonly failed: true;
  readonly atLeastMs?: Ms;
  readonly refused?: boolean;
}

/** The outcome of a write: done, or failed with the delay that the API server asks for. */
export function failedBy(error: KubeError | undefined): Outcome {
  if (error === undefined) return undefined;
  const atLeastMs = retryDelay(error);
  return atLeastMs === undefined ? { failed: true, refused: true } : { failed: true, atLeastMs };
}

/** What a queue tells those who want to know. */
export interface QueueHooks {
  /** `work` has thrown, which is a bug: what becomes of the key. Without this hook `run` ends with the error. */
  onBug?(key: string, error: unknown): Outcome;
  /** Work begins in this turn of the event loop; the function that is returned is called when the turn ends. */
  sliceBegins?(): () => void;
}

interface Failure {
  readonly times: number;
  readonly isRefused: boolean;
  /** From when on a change of the key is worth a try, monotonic. */
  readonly changeableAt: Instant;
}

interface Changed {
  readonly namespace: string;
  readonly at: Instant;
}

interface Timer {
  readonly due: Instant;
  readonly urgency: Urgency;
  readonly cancel: () => void;
}

/**
 * A queue of keys "<namespace>/<rest>", never of events. Adding a key that waits changes at most its urgency; adding a
 * running key runs it once more. No key ever runs twice at once, and a failing key delays no other.
 *
 * Namespaces take turns (`ReadyKeys`), and a namespace gets a worker only while it has fewer than are free. So a namespace
 * alone has half of the workers, and one is left for the next one; while it changes faster than it can be written, and
 * another one changes too, it has an eighth. Work begins in a microtask, never inside `add`, and gives the event loop its
 * turn every 5 ms.
 */
export class WorkQueue {
  readonly #work: (key: string) => Promise<Outcome>;
  readonly #concurrency: number;
  readonly #deps: Deps;
  readonly #hooks: QueueHooks;
  readonly #ready = new ReadyKeys();
  readonly #running = new Map<string, Instant>();
  /** Workers by namespace. */
  readonly #workers = new Map<string, number>();
  readonly #again = new Map<string, Urgency>();
  readonly #timers = new Map<string, Timer>();
  readonly #failures = new Map<string, Failure>();
  /** The two namespaces that changed last. */
  #changedLast: readonly Changed[] = [];
  #isWoken = false;
  /** When the slice of this turn of the event loop is over; undefined = none has begun. */
  #sliceEnds: Instant | undefined;
  #open = false;
  #hasEnded = false;
  #signal: AbortSignal = AbortSignal.abort();
  #crash: (error: unknown) => void = () => undefined;

  constructor(
    work: (key: string) => Promise<Outcome>,
    concurrency: number,
    deps: Deps,
    hooks: QueueHooks = {},
  ) {
    this.#work = work;
    this.#concurrency = concurrency;
    this.#deps = deps;
    this.#hooks = hooks;
  }

  /** The number of keys that wait for a worker. */
  get depth(): number {
    return this.#ready.size;
  }

  /** How long the oldest running key has been running. */
  get longestRunMs(): Ms {
    const since = this.#running.values().next().value;
    return since === undefined ? 0 : this.#deps.clock.monotonic() - since;
  }

  /** What the keys of a namespace wait for: none waits; the next slice; a worker, which waits for the API server. */
  waitsFor(namespace: string): "nothing" | "slice" | "worker" {
    if (!this.#ready.has(namespace)) return "nothing";
    return this.#mayStart(namespace) ? "slice" : "worker";
  }

  /**
   * Runs the key as soon as it is its turn. A key that failed keeps its backoff. If its write was refused, a change
   * shortens the backoff to that of any other failure.
   */
  add(key: string, urgency: Urgency): void {
    const failure = this.#failures.get(key);
    if (failure === undefined || !this.#timers.has(key)) this.#enqueue(key, urgency);
    else if (failure.isRefused && urgency === "changed")
      this.#schedule(key, failure.changeableAt - this.#deps.clock.monotonic(), urgency);
  }

  /** Adds the key as changed after `ms`, unless it is added earlier; the earliest of several times wins. A backoff stays. */
  addAfter(key: string, ms: Ms): void {
    if (!this.#failures.has(key) || !this.#timers.has(key)) this.#schedule(key, ms, "changed");
  }

  /** Drops every backoff, because the cause of the failures is gone. */
  retryAll(): void {
    for (const key of this.#failures.keys()) {
      this.#failures.delete(key);
      this.#enqueue(key, "look");
    }
  }

  /**
   * Tries again at once what was refused, in one namespace or in all: what it was refused for may be over. If it is not,
   * the next pause is as long as if this try had been due.
   */
  recall(namespace?: string): void {
    for (const [key, { isRefused }] of this.#failures)
      if (isRefused && (namespace === undefined || namespaceOf(key) === namespace))
        this.#enqueue(key, "changed");
  }

  #enqueue(key: string, urgency: Urgency): void {
    const why = moreUrgent(this.#timers.get(key)?.urgency, urgency);
    this.#cancelTimer(key);
    const now = this.#deps.clock.monotonic();
    if (why === "changed") this.#noteChange(namespaceOf(key), now);
    if (this.#running.has(key)) this.#again.set(key, moreUrgent(this.#again.get(key), why));
    else this.#ready.add(key, why, now);
    this.#wake();
  }

  #schedule(key: string, ms: Ms, urgency: Urgency): void {
    if (this.#hasEnded) return;
    const now = this.#deps.clock.monotonic();
    const timer = this.#timers.get(key);
    const waitMs = Math.max(0, Math.ceil(ms)); // Node's timers count whole ms, so a fraction would come too early
    const due = Math.min(now + waitMs, timer?.due ?? Infinity);
    const why = moreUrgent(timer?.urgency, urgency);
    if (timer?.due === due && timer.urgency === why) return;
    timer?.cancel();
    const cancel = this.#deps.clock.after(due - now, () => this.#enqueue(key, why));
    this.#timers.set(key, { due, urgency: why, cancel });
  }

  /** Works until `signal` aborts. @throws what `work` throws, because that is a bug and must be visible. */
  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#crash = reject;
    this.#signal = signal;
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    this.#open = true;
    this.#wake();
    try {
      await promise;
    } finally {
      this.#open = false;
      this.#hasEnded = true;
      for (const key of this.#timers.keys()) this.#cancelTimer(key);
    }
  }

  /**
   * Whoever adds keys may still be in the middle of a change. While nothing runs, others may have had this turn of the event
   * loop; between one write and the next nobody waits for them.
   */
  #wake(): void {
    if (this.#isWoken || !this.#open) return;
    this.#isWoken = true;
    const free = this.#running.size === 0 ? untilFree(this.#deps.clock) : Promise.resolve();
    void free.then(() => {
      this.#isWoken = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#open) {
      const now = this.#deps.clock.monotonic();
      if (now >= (this.#sliceEnds ?? Infinity)) return;
      const turn = this.#ready.take((namespace) => this.#mayStart(namespace));
      if (turn === undefined) return;
      if (this.#sliceEnds === undefined) this.#beginSlice(now);
      this.#running.set(turn.key, now);
      this.#workers.set(turn.namespace, this.#workersOf(turn.namespace) + 1);
      void this.#runOne(turn);
    }
  }

  #beginSlice(now: Instant): void {
    this.#sliceEnds = now + sliceMs;
    const ends = this.#hooks.sliceBegins?.();
    nextTurn(() => {
      ends?.();
      this.#sliceEnds = undefined;
      this.#pump();
    });
  }

  #mayStart(namespace: string): boolean {
    const free = this.#concurrency - this.#running.size;
    const most = this.#isOverrun(namespace) ? Math.min(free, this.#concurrency * overrunShare) : free;
    return this.#workersOf(namespace) < most;
  }

  #isOverrun(namespace: string): boolean {
    const since = this.#ready.changedSince(namespace);
    const now = this.#deps.clock.monotonic();
    return since !== undefined && now - since >= overrunMs && this.#hasCompany(namespace, now);
  }

  #hasCompany(namespace: string, now: Instant): boolean {
    return this.#changedLast.some((one) => one.namespace !== namespace && now - one.at < companyMs);
  }

  #noteChange(namespace: string, at: Instant): void {
    const other = this.#changedLast.find((one) => one.namespace !== namespace);
    this.#changedLast = other === undefined ? [{ namespace, at }] : [{ namespace, at }, other];
  }

  #workersOf(namespace: string): number {
    return this.#workers.get(namespace) ?? 0;
  }

  async #runOne({ key, namespace, urgency }: Turn): Promise<void> {
    try {
      this.#settle(key, urgency, await this.#outcomeOf(key));
    } catch (error) {
      this.#crash(error);
    } finally {
      this.#running.delete(key);
      this.#workers.set(namespace, this.#workersOf(namespace) - 1);
      if (this.#workersOf(namespace) === 0) this.#workers.delete(namespace);
      const again = this.#again.get(key);
      this.#again.delete(key);
      if (again !== undefined) this.#enqueue(key, again);
      this.#pump();
    }
  }

  async #outcomeOf(key: string): Promise<Outcome> {
    try {
      return await this.#work(key);
    } catch (error) {
      if (this.#signal.aborted) return undefined; // the work was given up
      if (this.#hooks.onBug === undefined) throw error;
      return this.#hooks.onBug(key, error);
    }
  }

  /** What has to be done again has the urgency that it had. */
  #settle(key: string, urgency: Urgency, outcome: Outcome): void {
    if (outcome !== undefined && "failed" in outcome) {
      this.#failed(key, urgency, outcome);
      return;
    }
    this.#failures.delete(key);
    if (outcome !== undefined) this.#schedule(key, outcome.againInMs, urgency);
  }

  #failed(key: string, urgency: Urgency, { atLeastMs = 0, refused = false }: Failed): void {
    const times = (this.#failures.get(key)?.times ?? 0) + 1;
    const again = this.#again.get(key);
    this.#again.delete(key);
    this.#cancelTimer(key);
    const jitter = 0.75 + this.#deps.random() / 2;
    const backoff = (maxMs: Ms): Ms => Math.min(firstBackoffMs * 2 ** (times - 1), maxMs) * jitter;
    const changeableInMs = Math.max(atLeastMs, backoff(maxBackoffMs));
    const changeableAt = this.#deps.clock.monotonic() + changeableInMs;
    this.#failures.set(key, { times, isRefused: refused, changeableAt });
    const isPatient = refused && again !== "changed";
    this.#schedule(
      key,
      isPatient ? backoff(maxRefusedBackoffMs) : changeableInMs,
      moreUrgent(again, urgency),
    );
  }

  #cancelTimer(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }
}
