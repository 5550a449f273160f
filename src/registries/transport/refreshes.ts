import { pause } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";

/** Changes that follow one within this time are merged. */
const mergeMs = 30;

/** The callbacks from a reader to the loop that refreshes it. */
export interface RefreshHooks {
  /** `refresh` has work to do. */
  readonly changed: () => void;
  /** Everything read so far is useless; the iteration ends with the first `error`. */
  readonly onLost: (error: Error) => void;
}

/** Returns the current value; undefined = no relevant change. */
export type Refresh<T> = () => Promise<T | undefined>;

/**
 * Yields a reader's value at first and after each change: the first change at once, what follows within 30 ms in one.
 * `open` makes the reader, with a signal that aborts when the iteration ends for any reason. Ends without a value when
 * `signal` aborts.
 * @throws what `open` or the reader throws, or the error of `onLost`, after which no value is yielded.
 */
export async function* refreshes<T>(
  open: (hooks: RefreshHooks, signal: AbortSignal) => Promise<Refresh<T>>,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  let isStale = true;
  let failure: Error | undefined;
  let bell = Promise.withResolvers<void>();
  const ring = (): void => bell.resolve();
  stop.addEventListener("abort", ring, { once: true });
  const changed = (): void => {
    isStale = true;
    ring();
  };
  let giveUp: (error: Error) => void = () => undefined;
  const onLost = (error: Error): void => {
    failure ??= error;
    giveUp(error);
    ring();
  };
  /** A race with one promise for the whole watch would keep every value until the end. */
  const unlessLost = (refresh: Refresh<T>): Promise<T | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    giveUp = reject;
    refresh().then(resolve, reject);
    return promise;
  };
  const failIfLost = (): void => {
    if (failure !== undefined) throw failure;
  };
  try {
    const refresh = await open({ changed, onLost }, stop);
    while (!signal.aborted) {
      failIfLost();
      if (isStale) {
        isStale = false; // what changes during the refresh asks for another one
        const merging = pause(clock, mergeMs, stop);
        const value = await unlessLost(refresh); // a refresh may hang, for what is lost
        failIfLost();
        if (value !== undefined && !signal.aborted) yield value;
        await merging;
      } else {
        await bell.promise;
        bell = Promise.withResolvers();
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    done.abort();
  }
}
