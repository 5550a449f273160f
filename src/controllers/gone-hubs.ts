import type { Ms } from "../model/entry.ts";
import type { HubKey } from "../model/hub.ts";
import type { Clock } from "../runtime/deps.ts";

/** How soon to ask again while the API server is being asked. */
const askingMs = 100;
/** How soon to ask again when it gave no answer. */
const retryMs = 1_000;

/**
 * Tells a deleted hub from one that is being re-created: gone is what has been missing by name from the complete list of
 * hubs for a while, without a break, and what the API server then confirms to be missing, so that no dead watch has hidden
 * its return. There is no finalizer to tell it (ADR 0006).
 */
export class GoneHubs {
  readonly #missingSince = new Map<HubKey, Ms>();
  readonly #answers = new Map<HubKey, "asked" | "gone">();
  readonly #clock: Clock;
  readonly #afterMs: Ms;
  readonly #exists: (key: HubKey) => Promise<boolean>;

  /** @param exists asks the API server itself; it says itself why it could not, rejects, and is then asked again. */
  constructor(clock: Clock, afterMs: Ms, exists: (key: HubKey) => Promise<boolean>) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#exists = exists;
  }

  /** 0 = the hub is gone; else how long until that may be known. Only to be asked while the list of hubs is complete. */
  goneInMs(key: HubKey): Ms {
    if (this.#answers.get(key) === "gone") return 0;
    const now = this.#clock.monotonic();
    const since = this.#missingSince.get(key) ?? now;
    this.#missingSince.set(key, since);
    const leftMs = since + this.#afterMs - now;
    if (leftMs > 0) return leftMs;
    if (!this.#answers.has(key)) void this.#ask(key, since);
    return askingMs;
  }

  /** The hub exists. */
  seen(key: HubKey): void {
    this.#missingSince.delete(key);
    this.#answers.delete(key);
  }

  /** The list of hubs is not complete any more: what was missing from it has to be missed anew. */
  reset(): void {
    this.#missingSince.clear();
    this.#answers.clear();
  }

  async #ask(key: HubKey, since: Ms): Promise<void> {
    this.#answers.set(key, "asked");
    const exists = await this.#exists(key).catch(() => undefined); // no answer: ask again, later
    if (this.#missingSince.get(key) !== since) return; // seen, or missing anew, in the meantime
    if (exists === false) {
      this.#answers.set(key, "gone");
      return;
    }
    this.#answers.delete(key);
    this.#missingSince.set(key, this.#clock.monotonic() - (exists ? 0 : this.#afterMs - retryMs));
  }
}
