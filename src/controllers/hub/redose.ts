import type { Hub } from "../../model/hub.ts";
import type { Snapshot } from "../../model/service.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { ListingIndex } from "./listing-index.ts";

/** What it needs from its session. */
export interface RedoseHooks {
  /** The hub, and what is listed for it; undefined = the next listing will be made for the hub as it is then. */
  now(): readonly [hub: Hub, snapshot: Snapshot | undefined];
  /** The listing is prepared for the present hub. */
  take(snapshot: Snapshot): void;
  done(): void;
  onBug(error: unknown): void;
}

/**
 * Applies an edit of shares to the listing that is there, in slices: 10,000 services take half a second. No host lists
 * nothing because of it, so there is nothing to judge.
 */
export class Redose {
  readonly #listings: Pick<ListingIndex, "prepare">;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #hooks: RedoseHooks;
  #isOn = false;

  constructor(listings: Pick<ListingIndex, "prepare">, clock: Pick<Clock, "monotonic">, hooks: RedoseHooks) {
    this.#listings = listings;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** Whether the listing is not yet as the hub's shares want it. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Begins, or begins again if it is on. Never throws. */
  async run(): Promise<void> {
    if (this.#isOn) return; // an edit meanwhile has it begin again
    this.#isOn = true;
    try {
      await this.#prepareAndTake();
    } catch (error) {
      this.#hooks.onBug(error);
    } finally {
      this.#isOn = false;
      this.#hooks.done();
    }
  }

  async #prepareAndTake(): Promise<void> {
    const [, snapshot] = this.#hooks.now();
    if (snapshot === undefined) return;
    await this.#listings.prepare(snapshot.services, () => this.#hooks.now()[0], this.#clock);
    const [, later] = this.#hooks.now();
    if (later === snapshot) this.#hooks.take(snapshot); // a newer one is taken by itself
  }
}
