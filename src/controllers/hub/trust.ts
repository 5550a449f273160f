import type { Moment } from "../../plan/losses.ts";
import { step, type TrustEvent, type TrustStep } from "../../plan/trust.ts";
import { dueOf, type TrustState } from "../../plan/trust-state.ts";
import type { Clock } from "../../runtime/deps.ts";

/** Runs the machine of plan/trust.ts for one hub, with one timer for the next deadline. */
export class HubTrust {
  readonly #clock: Clock;
  readonly #onTrustChanged: (change: Omit<TrustStep, "state">) => void;
  #state: TrustState;
  #disarm: () => void = () => undefined;

  /** @param onTrustChanged called after each step, when everything is judged. */
  constructor(clock: Clock, state: TrustState, onTrustChanged: (change: Omit<TrustStep, "state">) => void) {
    this.#clock = clock;
    this.#onTrustChanged = onTrustChanged;
    this.#state = state;
    this.#arm();
  }

  get state(): TrustState {
    return this.#state;
  }

  take(event: TrustEvent): void {
    const { state, ...change } = step(this.#state, event, momentOf(this.#clock));
    this.#state = state;
    this.#arm();
    this.#onTrustChanged(change);
  }

  /** Cancels the timer. */
  close(): void {
    this.#disarm();
  }

  #arm(): void {
    this.#disarm();
    const due = dueOf(this.#state);
    if (due === undefined) return;
    this.#disarm = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () =>
      this.take({ type: "due" }),
    );
  }
}

/** Now, on both clocks. */
export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() };
}
