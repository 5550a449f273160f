/** Lets at most `limit` tasks run at once; the others wait in order. */
export interface Semaphore {
  /**
   * Resolves when this task may run, with the function that ends it. @throws the signal's reason if it aborts first.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createSemaphore(limit: number): Semaphore {
  const waiting = new Set<() => void>();
  let running = 0;

  function leave(): void {
    const [next] = waiting;
    if (next === undefined) running -= 1;
    else {
      waiting.delete(next);
      next();
    }
  }

  return {
    async enter(signal) {
      signal.throwIfAborted();
      if (running < limit) {
        running += 1;
        return leave;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const giveUp = (): void => {
        waiting.delete(resolve);
        reject(signal.reason);
      };
      waiting.add(resolve);
      signal.addEventListener("abort", giveUp, { once: true });
      await promise;
      signal.removeEventListener("abort", giveUp);
      return leave;
    },
  };
}
