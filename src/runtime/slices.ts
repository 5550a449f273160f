import { nextTurn } from "./clock.ts";
import type { Clock } from "./deps.ts";

/** So long our own code holds the event loop before others have their turn. */
export const sliceMs = 20;

/** Does `one` after the other, and gives the event loop its turn every 20 ms. */
export async function inSlices<T>(
  items: Iterable<T>,
  { monotonic }: Pick<Clock, "monotonic">,
  one: (item: T) => void,
): Promise<void> {
  let endsAt = monotonic() + sliceMs;
  for (const item of items) {
    if (monotonic() >= endsAt) {
      await new Promise<void>((resolve) => nextTurn(resolve));
      endsAt = monotonic() + sliceMs;
    }
    one(item);
  }
}
