import type { Clock } from "../../runtime/deps.ts";

/** A reader after its first read. undefined = no relevant change. */
export interface Polled<T> {
  readonly first: T | undefined;
  readonly next: () => Promise<T | undefined>;
}

/**
 * Polls a reader until `signal` aborts. `pauseMs(tookMs)` returns the delay before the next read. `open` makes the
 * reader, with a signal that aborts when the iteration ends for any reason. @throws what `open` or the reader throws.
 */
export async function* polls<T>(
  open: (signal: AbortSignal) => Promise<Polled<T>>,
  pauseMs: (tookMs: number) => number,
  clock: Pick<Clock, "sleep" | "monotonic">,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  try {
    let startedAt = clock.monotonic();
    let { first: value, next } = await open(stop);
    for (;;) {
      const tookMs = clock.monotonic() - startedAt;
      if (value !== undefined) yield value;
      await clock.sleep(pauseMs(tookMs), stop);
      startedAt = clock.monotonic();
      value = await next();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    done.abort();
  }
}
