import type { Clock } from "../../src/runtime/deps.ts";

/** Starts at a round wall time, so that what is written reads well. */
const startMs = Date.parse("2024-02-04T03:00:00Z");

/** A clock that stands still until it is told how much time passes. */
export interface FakeClock extends Clock {
  /** Lets `ms` pass: every timer that falls due runs at its own moment, in order. */
  advance(ms: number): void;
  /** Sets the wall clock forward or back; deadlines do not notice. */
  jump(ms: number): void;
  /** Timers of a second or more run `ms` later than they are due from now on, as on a busy machine. */
  runLate(ms: number): void;
  /** How many timers wait. */
  readonly pending: number;
  /** In how many ms the next timer falls due; undefined = none waits. */
  readonly nextInMs: number | undefined;
}

/** A Clock for tests of what depends on time. Its monotonic time is never 0, which stands for "not set" in places. */
export function fakeClock(): FakeClock {
  const timers = new Set<{ readonly due: number; readonly run: () => void }>();
  let monotonic = 1_000;
  let wall = startMs;
  let lateMs = 0;
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = { due: monotonic + ms + (ms < 1_000 ? 0 : lateMs), run };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  const next = (until: number) =>
    [...timers].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0];
  const moveTo = (time: number): void => {
    wall += time - monotonic;
    monotonic = time;
  };
  return {
    now: () => wall,
    monotonic: () => monotonic,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const cancel = after(ms, resolve);
        signal.addEventListener("abort", () => {
          cancel();
          reject(signal.reason);
        });
      }),
    advance(ms) {
      const until = monotonic + ms;
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        moveTo(Math.max(timer.due, monotonic));
        timers.delete(timer);
        timer.run();
      }
      moveTo(until);
    },
    jump: (ms) => {
      wall += ms;
    },
    runLate: (ms) => {
      lateMs = ms;
    },
    get pending() {
      return timers.size;
    },
    get nextInMs() {
      if (timers.size === 0) return undefined;
      return Math.max(0, Math.min(...[...timers].map(({ due }) => due)) - monotonic);
    },
  };
}
