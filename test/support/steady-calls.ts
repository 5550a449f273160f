import { setTimeout as delay } from "node:timers/promises";

/** What became of calls. */
export interface Tally {
  /** How many calls had which answer. */
  readonly answers: ReadonlyMap<string, number>;
  /** The messages of those that failed, in order. */
  readonly failures: readonly string[];
}

/** Calls that go on until they are stopped. Disposal stops them. */
export interface SteadyCalls extends AsyncDisposable {
  /** Stops, waits for the calls under way and says what became of all. */
  stop(): Promise<Tally>;
  /** What became of those since the last look, or the beginning. */
  look(): Tally;
}

/** Calls every `everyMs`, whatever becomes of the calls before. */
export function callSteadily(call: () => Promise<string>, everyMs = 20): SteadyCalls {
  const stopping = new AbortController();
  const all = new Count();
  let recent = new Count();
  const underWay = new Set<Promise<void>>();
  const one = async (): Promise<void> => {
    try {
      const answer = await call();
      for (const count of [all, recent]) count.answer(answer);
    } catch (error) {
      for (const count of [all, recent])
        count.failures.push(error instanceof Error ? error.message : String(error));
    }
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      const calling = one().finally(() => underWay.delete(calling));
      underWay.add(calling);
      await delay(everyMs);
    }
    await Promise.all(underWay);
  })();
  const stop = async () => {
    stopping.abort();
    await loop;
    return all;
  };
  return {
    stop,
    look() {
      const seen = recent;
      recent = new Count();
      return seen;
    },
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

class Count implements Tally {
  readonly answers = new Map<string, number>();
  readonly failures: string[] = [];

  answer(text: string): void {
    this.answers.set(text, (this.answers.get(text) ?? 0) + 1);
  }
}
