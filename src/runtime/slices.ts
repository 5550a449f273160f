import { nextTurn } from "./clock.ts";
import type { Clock } from "./deps.ts";

/** So long our own code holds the event loop before others have their turn. */
export const sliceMs = 5;

/** Work that can be interrupted at every `yield`, and its result. */
export type Steps<T> = Generator<undefined, T>;

/** How many in this process work in slices now: they have one event loop between them. */
let working = 0;
/** When the first of all that share the event loop's present turn began, monotonic. */
let turnBeganAt: number | undefined;
/** Whether somebody who waited for this turn has begun in it. */
let isAdmitted = false;

/**
 * Gives the event loop its turn every 5 ms, however many work in slices at the same time: they share the 5 ms, and each
 * makes a step in every turn. @throws what a step throws; the signal's reason.
 */
export async function inSlices<T>(
  steps: Steps<T>,
  clock: Pick<Clock, "monotonic">,
  signal?: AbortSignal,
): Promise<T> {
  working++;
  try {
    await untilFree(clock);
    for (;;) {
      signal?.throwIfAborted();
      const result = oneSlice(steps, clock, sliceMs / working);
      if (result.done) return result.value;
      await turn();
    }
  } finally {
    working--;
  }
}

/**
 * Waits while the event loop's present turn has had its 5 ms: for whoever works on what comes from outside, of which many
 * pieces may come at once. Of those who wait, one begins in every turn, whatever has been taken of it.
 */
export async function untilFree({ monotonic }: Pick<Clock, "monotonic">): Promise<void> {
  if (takenMs(monotonic) < sliceMs) return;
  do await turn();
  while (takenMs(monotonic) >= sliceMs && isAdmitted);
  isAdmitted = true;
}

/** What those who ask have taken of the present turn, and whatever else was done in it meanwhile. */
function takenMs(monotonic: Clock["monotonic"]): number {
  return monotonic() - turnBegan(monotonic);
}

/** When the present turn began: now, if nobody has asked in it. */
function turnBegan(monotonic: Clock["monotonic"]): number {
  if (turnBeganAt === undefined) {
    turnBeganAt = monotonic();
    nextTurn(() => {
      turnBeganAt = undefined;
      isAdmitted = false;
    });
  }
  return turnBeganAt;
}

function oneSlice<T>(
  steps: Steps<T>,
  { monotonic }: Pick<Clock, "monotonic">,
  ms: number,
): IteratorResult<undefined, T> {
  turnBegan(monotonic); // what follows is taken of it
  const beganAt = monotonic();
  for (;;) {
    const result = steps.next();
    if (result.done || monotonic() - beganAt >= ms) return result;
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
