import { PerformanceObserver } from "node:perf_hooks";
import { processorMs, systemClock } from "./clock.ts";

const { monotonic } = systemClock;

/** From and to, in ms of `performance.now()`. */
interface Stretch {
  readonly beganAt: number;
  readonly endedAt: number;
}

interface Slice extends Stretch {
  readonly loop: string;
  /** Of the thread of the event loop, collections of garbage included. */
  readonly processorMs: number;
}

/** Node tells of a collection some turns of the event loop after it. */
const toldWithinMs = 100;
/** How much of slices says how they have the processor of late. */
const recentMs = 1_000;

/** How long loops and the collector of garbage hold up the event loop. It watches until the process ends. */
export class SliceTimes {
  readonly #longestMs = new Map<string, number>();
  #longestCollectionMs = 0;
  #measuredAt = 0;
  #slices: Slice[] = [];
  /** Of late, of slices without a collection. */
  #recent = { workedMs: 1, tookMs: 1 };
  #collections: Stretch[] = [];

  constructor() {
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        this.#longestCollectionMs = Math.max(this.#longestCollectionMs, duration);
        this.#collections.push({ beganAt: startTime, endedAt: startTime + duration });
      }
      this.#measureSometimes();
    }).observe({ entryTypes: ["gc"] });
  }

  /** A loop begins to work in this turn of the event loop; the returned function ends the slice. */
  begins(loop: string): () => void {
    const [beganAt, before] = [monotonic(), processorMs()];
    return () => {
      this.#slices.push({ loop, beganAt, endedAt: monotonic(), processorMs: processorMs() - before });
      this.#measureSometimes();
    };
  }

  /**
   * The longest slices since the last call, by their loops, in ms of processor time: neither what other processes took is
   * in them nor the collection of garbage, which comes when the heap is full, whoever works then.
   */
  longestMs(): ReadonlyMap<string, number> {
    this.#measure(monotonic() - toldWithinMs); // later ones are of the next look
    const longest = new Map(this.#longestMs);
    for (const loop of longest.keys()) this.#longestMs.set(loop, 0);
    return longest;
  }

  /** The longest collection since the last call, in ms. */
  longestCollectionMs(): number {
    const longest = this.#longestCollectionMs;
    this.#longestCollectionMs = 0;
    return longest;
  }

  /** So that neither list grows: a pass over both takes longer than what it measures. */
  #measureSometimes(): void {
    const now = monotonic();
    if (now - this.#measuredAt < toldWithinMs) return;
    this.#measuredAt = now;
    this.#measure(now - toldWithinMs);
  }

  /** Measures the slices that ended before, and forgets the collections that are in no other. */
  #measure(before: number): void {
    this.#collections.sort((a, b) => a.beganAt - b.beganAt);
    for (const slice of this.#slices) {
      if (slice.endedAt > before) continue;
      const ownMs = this.#ownMs(slice);
      this.#longestMs.set(slice.loop, Math.max(this.#longestMs.get(slice.loop) ?? 0, ownMs));
    }
    this.#slices = this.#slices.filter(({ endedAt }) => endedAt > before);
    const oldest = this.#slices.reduce((least, { beganAt }) => Math.min(least, beganAt), before);
    this.#collections = this.#collections.filter(({ endedAt }) => endedAt > oldest);
  }

  /**
   * Without collections. Nobody tells how much of one the thread worked, and how much it waited for its helpers: so what is
   * left of the slice by the clock is taken to have had the processor as slices had it of late.
   */
  #ownMs({ beganAt, endedAt, processorMs: workedMs }: Slice): number {
    const tookMs = endedAt - beganAt;
    const collectedMs = this.#collectedMs(beganAt, endedAt);
    if (collectedMs > 0) {
      const likelyMs = ((tookMs - collectedMs) * this.#recent.workedMs) / this.#recent.tookMs;
      return Math.min(workedMs, Math.max(likelyMs, workedMs - collectedMs));
    }
    const { workedMs: worked, tookMs: took } = this.#recent;
    const weight = took > recentMs ? 0.5 : 1;
    this.#recent = { workedMs: weight * worked + workedMs, tookMs: weight * took + tookMs };
    return workedMs;
  }

  #collectedMs(beganAt: number, endedAt: number): number {
    let [collectedMs, seen] = [0, beganAt];
    for (const collection of this.#collections) {
      const from = Math.max(collection.beganAt, seen); // one may be part of another
      const to = Math.min(collection.endedAt, endedAt);
      if (to <= from) continue;
      collectedMs += to - from;
      seen = to;
    }
    return collectedMs;
  }
}
