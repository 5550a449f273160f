import { type KubeError, retryDelay } from "../../kube/errors.ts";
import type { Ms } from "../../model/entry.ts";
import type { Deps } from "../../runtime/deps.ts";

const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;

/** The result for a key: done, run again later, or failed (the queue backs off per key, at least `atLeastMs`). */
export type Outcome =
  | undefined
  | { readonly againInMs: Ms }
  | { readonly failed: true; readonly atLeastMs?: Ms };

/** The outcome of a write: done, or failed with the delay that the API server asks for. */
export function failedBy(error: KubeError | undefined): Outcome {
  return error && { failed: true, atLeastMs: retryDelay(error) ?? 0 };
}

/**
 * A queue of keys, never of events. Adding a key that waits changes nothing; adding a running key runs it once more.
 * No key ever runs twice at once, and a failing key delays no other.
 */
export class WorkQueue {
  readonly #work: (key: string) => Promise<Outcome>;
  readonly #concurrency: number;
  readonly #deps: Deps;
  readonly #ready = new Set<string>();
  readonly #running = new Map<string, Ms>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { readonly due: Ms; readonly cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  #open = false;
  #hasEnded = false;
  #crash: (error: unknown) => void = () => undefined;

  constructor(work: (key: string) => Promise<Outcome>, concurrency: number, deps: Deps) {
    this.#work = work;
    this.#concurrency = concurrency;
    this.#deps = deps;
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

  /** Runs the key as soon as a worker is free; a key that failed keeps its backoff. */
  add(key: string): void {
    if (!this.#isBackingOff(key)) this.#enqueue(key);
  }

  /** Adds the key after `ms`, unless it is added earlier; the earliest of several times wins. A backoff stays. */
  addAfter(key: string, ms: Ms): void {
    if (!this.#isBackingOff(key)) this.#schedule(key, ms);
  }

  /** Drops every backoff, because the cause of the failures is gone. */
  retryAll(): void {
    const failed = [...this.#failures.keys()];
    this.#failures.clear();
    for (const key of failed) this.add(key);
  }

  #enqueue(key: string): void {
    this.#cancelTimer(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#pump();
  }

  #isBackingOff(key: string): boolean {
    return this.#failures.has(key) && this.#timers.has(key);
  }

  #schedule(key: string, ms: Ms): void {
    if (this.#hasEnded) return;
    const due = this.#deps.clock.monotonic() + ms;
    const timer = this.#timers.get(key);
    if (timer !== undefined && timer.due <= due) return;
    timer?.cancel();
    this.#timers.set(key, { due, cancel: this.#deps.clock.after(ms, () => this.#enqueue(key)) });
  }

  /** Works until `signal` aborts. @throws what `work` throws, because that is a bug and must be visible. */
  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#crash = reject;
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    this.#open = true;
    this.#pump();
    try {
      await promise;
    } finally {
      this.#open = false;
      this.#hasEnded = true;
      for (const key of this.#timers.keys()) this.#cancelTimer(key);
    }
  }

  #pump(): void {
    if (!this.#open) return;
    for (const key of this.#ready) {
      if (this.#running.size >= this.#concurrency) return;
      this.#ready.delete(key);
      this.#running.set(key, this.#deps.clock.monotonic());
      void this.#runOne(key);
    }
  }

  async #runOne(key: string): Promise<void> {
    try {
      this.#settle(key, await this.#work(key));
    } catch (error) {
      this.#crash(error);
    } finally {
      this.#running.delete(key);
      if (this.#again.delete(key)) this.#enqueue(key);
      this.#pump();
    }
  }

  #settle(key: string, outcome: Outcome): void {
    if (outcome !== undefined && "failed" in outcome) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const backoff =
        Math.min(firstBackoffMs * 2 ** (failures - 1), maxBackoffMs) * (0.75 + this.#deps.random() / 2);
      this.#again.delete(key);
      this.#cancelTimer(key);
      this.#schedule(key, Math.max(outcome.atLeastMs ?? 0, backoff));
      return;
    }
    this.#failures.delete(key);
    if (outcome !== undefined) this.#schedule(key, outcome.againInMs);
  }

  #cancelTimer(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }
}
