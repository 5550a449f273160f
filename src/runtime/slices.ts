import { nextTurn } from "./clock.ts";
import type { Clock } from "./deps.ts";

/** So long our own code holds the event loop before others have their turn. */
export const sliceMs = 5;

/** Work that can be interrupted at every `yield`, and its result. */
export type Steps<T> = Generator<undefined, T>;

/** How many in this process work in slices now: they have one event loop between them. */
let working = 0;
/** What they have taken of its present turn. */
let takenMs = 0;

/**
 * Gives the event loop its turn every 5 ms, however many work in slices at the same time: they share the 5 ms, and each
 * makes a step in every turn. @throws what a step throws; the signal's reason.
 */
export async function inSlices<T>(
  steps: Steps<T>,
  { monotonic }: Pick<Clock, "monotonic">,
  signal?: AbortSignal,
): Promise<T> {
  working++;
  try {
    if (takenMs >= sliceMs) await turn(); // many small answers may come at once
    for (;;) {
      signal?.throwIfAborted();
      const result = oneSlice(steps, monotonic, sliceMs / working);
      if (result.done) return result.value;
      await turn();
    }
  } finally {
    working--;
  }
}

function oneSlice<T>(
  steps: Steps<T>,
  monotonic: Clock["monotonic"],
  ms: number,
): IteratorResult<undefined, T> {
  const beganAt = monotonic();
  if (takenMs === 0)
    nextTurn(() => {
      takenMs = 0;
    });
  try {
    for (;;) {
      const result = steps.next();
      if (result.done || monotonic() - beganAt >= ms) return result;
    }
  } finally {
    takenMs += monotonic() - beganAt;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

/** Without an interruption. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
