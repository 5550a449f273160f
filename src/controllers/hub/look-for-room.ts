import type { Clock } from "../../runtime/deps.ts";
import type { ListingIndex } from "./listing-index.ts";

/** Several entries that go do so at about the same time. */
const pauseMs = 1_000;

/** If a hub has too many services, there may be room for one more: looks a second after it was asked to. */
export class LookForRoom {
  readonly #listings: Pick<ListingIndex, "isFull">;
  readonly #clock: Pick<Clock, "after">;
  readonly #look: () => void;
  #isAsked = false;

  constructor(listings: Pick<ListingIndex, "isFull">, clock: Pick<Clock, "after">, look: () => void) {
    this.#listings = listings;
    this.#clock = clock;
    this.#look = look;
  }

  ask(): void {
    if (!this.#listings.isFull || this.#isAsked) return;
    this.#isAsked = true;
    this.#clock.after(pauseMs, () => {
      this.#isAsked = false;
      this.#look();
    });
  }
}
