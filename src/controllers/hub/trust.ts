import type { Moment } from "../../plan/losses.ts";
import { step, type TrustEvent, type TrustStep } from "../../plan/trust.ts";
import { dueOf, type TrustState } from "../../plan/trust-state.ts";
import type { Clock } from "../../runtime/deps.ts";

/** What a step has changed, everything being judged. */
export type TrustChange = Omit<TrustStep, "state">;

/** Runs the machine of plan/trust.ts for one hub, with one timer for the next deadline. */
export class HubTrust {
  readonly #clock: Clock;
  readonly #onDue: (change: TrustChange) => void;
  #state: TrustState;
  #disarm: () => void = () => undefined;

  /** @param onDue called after a step that a deadline has caused. */
  constructor(clock: Clock, state: TrustState, onDue: (change: TrustChange) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#state = state;
    this.#arm();
  }

  get state(): TrustState {
    return this.#state;
  }

  take(event: TrustEvent): TrustChange {
    const { state, ...change } = step(this.#state, event, momentOf(this.#clock));
    this.#state = state;
    this.#arm();
    return change;
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
      this.#onDue(this.take({ type: "due" })),
    );
  }
}

/** Now, on both clocks. */
export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() };
}

/** What an Event tells the owner of a hub when a hold begins. */
export const holdMessages = {
  Shrunk:
    "many services lost their last instance at once; the operator keeps those instances until status.hold.until",
  RegistryReset:
    "the registry lost its data; the operator removes nothing until the registry lists 80 % of it again or until status.hold.until",
} as const;
