import type { Clock } from "./deps.ts";

/** The limit of Node's timers; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** One of Node's timers may fire a fraction of a millisecond before `performance.now()` reaches its time. */
function after(ms: number, run: () => void): () => void {
  const dueAt = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    timer = setTimeout(due, Math.min(Math.max(0, Math.ceil(leftMs)), maxTimerMs)); // Node warns about negative times
  };
  const due = (): void => {
    const leftMs = dueAt - performance.now();
    if (leftMs > 0) arm(leftMs);
    else run();
  };
  arm(ms);
  return () => clearTimeout(timer);
}

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const aborted = (): void => {
        cancel();
        reject(signal.reason);
      };
      const cancel = after(ms, () => {
        signal.removeEventListener("abort", aborted);
        resolve();
      });
      signal.addEventListener("abort", aborted, { once: true });
    }),
  after,
};

/** The clock, but what the functions of its timers throw goes to `onBug`, and does not end the process. */
export function containedClock(clock: Clock, onBug: (error: unknown) => void): Clock {
  const contain = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      onBug(error);
    }
  };
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, run) => clock.after(ms, () => contain(run)),
  };
}

/** Calls `run` after the event loop has had its turn, so that everything that arrived meanwhile comes first. */
export function nextTurn(run: () => void): void {
  setImmediate(run);
}

/** Processor time that this thread has used. */
export function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** As `sleep`, but an abort ends it without a throw, for loops that check the signal themselves. */
export async function pause(clock: Pick<Clock, "sleep">, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * The result of `work`. It stops waiting when `work` takes longer than `ms`, or when `signal` aborts; `work` itself
 * continues.
 * @throws what `work` throws; the error of `late` when time is up; the signal's reason.
 */
export async function inTime<T>(
  work: Promise<T>,
  { ms, late }: { readonly ms: number; readonly late: () => Error },
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<T> {
  const done = new AbortController();
  const timeUp = clock.sleep(ms, AbortSignal.any([signal, done.signal])).then(() => {
    throw late();
  });
  try {
    return await Promise.race([work, timeUp]);
  } finally {
    done.abort();
  }
}

/** Calls `run` after each `nextMs()` until `signal` aborts. */
export function every(
  clock: Pick<Clock, "after">,
  nextMs: () => number,
  run: () => void,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  const cancel = clock.after(nextMs(), () => {
    signal.removeEventListener("abort", cancel);
    run();
    every(clock, nextMs, run, signal);
  });
  signal.addEventListener("abort", cancel, { once: true });
}
