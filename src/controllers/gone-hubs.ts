import type { Ms } from "../model/entry.ts";
import type { HubKey } from "../model/hub.ts";
import type { Clock } from "../runtime/deps.ts";

/**
 * Tells a deleted hub from one that is being re-created: gone is what has been missing by name from the complete list of
 * hubs for a while, without a break. There is no finalizer to tell it (ADR 0006).
 */
export class GoneHubs {
  readonly #missingSince = new Map<HubKey, Ms>();
  readonly #clock: Clock;
  readonly #afterMs: Ms;

  constructor(clock: Clock, afterMs: Ms) {
    this.#clock = clock;
    this.#afterMs = afterMs;
  }

  /** 0 = the hub is gone; else how long it has to stay missing. Only to be asked while the list of hubs is complete. */
  goneInMs(key: HubKey): Ms {
    const now = this.#clock.monotonic();
    const since = this.#missingSince.get(key) ?? now;
    this.#missingSince.set(key, since);
    return Math.max(0, since + this.#afterMs - now);
  }

  /** The hub exists. */
  seen(key: HubKey): void {
    this.#missingSince.delete(key);
  }

  /** The list of hubs is not complete any more: what was missing from it has to be missed anew. */
  reset(): void {
    this.#missingSince.clear();
  }
}
