import type { Clock } from "./deps.ts";
import { createLatest } from "./latest.ts";

/** Changes that come within this time are told together: providers re-register by delete and create. */
const quietMs = 30;

/** How a reader speaks to the loop that refreshes it. */
export interface RefreshHooks {
  /** `refresh` has something to do. */
  readonly changed: () => void;
  /** All that was read is useless: the iteration ends with `error`. */
  readonly onLost: (error: Error) => void;
}

/** What is known now; undefined = nothing worth telling has changed. */
export type Refresh<T> = () => Promise<T | undefined>;

/**
 * What a reader knows, at first and after each change; bursts are one. `open` makes the reader, with a signal that aborts
 * when the iteration is over, for whatever reason. Ends without a value when `signal` aborts.
 * @throws what `open` or the reader throws, or `onLost` was told.
 */
export async function* refreshes<T>(
  open: (hooks: RefreshHooks, signal: AbortSignal) => Promise<Refresh<T>>,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const wake = createLatest<"changed">(stop);
  const changed = (): void => wake.set("changed");
  try {
    const refresh = await open({ changed, onLost: (error) => wake.fail(error) }, stop);
    changed();
    for await (const _ of wake) {
      await clock.sleep(quietMs, stop);
      const value = await refresh();
      if (value !== undefined) yield value;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    done.abort();
  }
}
