import type { Clock } from "./deps.ts";

/** A reader that has read for the first time. undefined = nothing worth telling has changed. */
export interface Polled<T> {
  readonly first: T | undefined;
  readonly next: () => Promise<T | undefined>;
}

/**
 * What a reader finds at first, and again after each pause, which `pauseMs` may make dependent on how long the last
 * reading took. `open` makes the reader, with a signal that aborts when the iteration is over, for whatever reason. Ends
 * without a value when `signal` aborts. @throws what `open` or the reader throws.
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
