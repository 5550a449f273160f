/**
 * A one-slot mailbox: turns a pushing source into an async iterable whose slow reader sees only the newest value.
 * Anybody may call `set` and `fail`. The iteration ends, without a value, when `signal` aborts.
 */
export interface Latest<T> extends AsyncIterable<T> {
  set(value: T): void;
  /** The iteration throws `error` after the reader has read the last value. */
  fail(error: unknown): void;
}

export function createLatest<T>(signal: AbortSignal): Latest<T> {
  let slot: { readonly value: T } | undefined;
  let failure: { readonly error: unknown } | undefined;
  let wake = Promise.withResolvers<void>();
  const ring = (): void => wake.resolve();
  signal.addEventListener("abort", ring, { once: true });
  return {
    set(value) {
      slot = { value };
      ring();
    },
    fail(error) {
      failure ??= { error };
      ring();
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (slot !== undefined) {
          const { value } = slot;
          slot = undefined;
          yield value;
        } else if (failure !== undefined) {
          throw failure.error;
        } else {
          await wake.promise;
          wake = Promise.withResolvers<void>();
        }
      }
    },
  };
}
