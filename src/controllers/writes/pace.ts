import type { Instant, Ms } from "../../model/entry.ts";
import type { Clock } from "../../runtime/deps.ts";

/** What is smaller is written as often as it changes. */
const freeBytes = 20_000;
/** How many bytes of one object are written per second in the long run. */
const bytesPerSecond = 200_000;
const maxPauseMs = 10_000;

/**
 * Spaces the writes of one large object: the first is at once, and the next one as much later as the last one was large.
 * etcd keeps every version of an object for minutes, so a service of 2,000 instances that restart one after the other
 * could fill it.
 */
export class Pace {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #nextAt = new Map<string, Instant>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** How long the next write of the object still has to wait. */
  pauseMs(key: string): Ms {
    const pauseMs = Math.max(0, (this.#nextAt.get(key) ?? 0) - this.#clock.monotonic());
    if (pauseMs === 0) this.#nextAt.delete(key);
    return pauseMs;
  }

  wrote(key: string, bytes: number): void {
    if (bytes < freeBytes) return;
    const pauseMs = Math.min((bytes / bytesPerSecond) * 1_000, maxPauseMs);
    this.#nextAt.set(key, this.#clock.monotonic() + pauseMs);
  }

  forget(key: string): void {
    this.#nextAt.delete(key);
  }
}
