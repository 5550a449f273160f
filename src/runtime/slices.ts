import { nextTurn } from "./clock.ts";
import type { Clock } from "./deps.ts";

/** So long our own code holds the event loop before others have their turn. */
export const sliceMs = 10;

/** Work that can be interrupted at every `yield`, and its result. */
export type Steps<T> = Generator<undefined, T>;

/** Gives the event loop its turn every 10 ms. @throws what a step throws; the signal's reason. */
export async function inSlices<T>(
  steps: Steps<T>,
  { monotonic }: Pick<Clock, "monotonic">,
  signal?: AbortSignal,
): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    const endsAt = monotonic() + sliceMs;
    do {
      const { done, value } = steps.next();
      if (done) return value;
    } while (monotonic() < endsAt);
    await new Promise<void>((resolve) => nextTurn(resolve));
  }
}

/** Without an interruption. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
