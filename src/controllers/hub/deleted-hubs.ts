import type { Instant, Ms } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import type { Clock } from "../../runtime/deps.ts";

/** How soon to ask again while the API server is being asked. */
const askingMs = 100;
/** How soon to ask again after a request without an answer. */
const retryMs = 1_000;

/**
 * Tells a deleted hub from one that is being re-created. A hub counts as deleted once it has been absent from a
 * complete list for `afterMs` without interruption and a direct GET returns 404. The GET guards against a dead watch.
 * There is no finalizer (ADR 0006).
 */
export class DeletedHubs {
  readonly #missingSince = new Map<HubKey, Instant>();
  readonly #answers = new Map<HubKey, "asked" | "gone">();
  readonly #clock: Clock;
  readonly #afterMs: Ms;
  readonly #exists: (key: HubKey) => Promise<boolean>;

  /** @param exists asks the API server. If it gets no answer, it reports why, rejects, and is called again. */
  constructor(clock: Clock, afterMs: Ms, exists: (key: HubKey) => Promise<boolean>) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#exists = exists;
  }

  /** 0 = the hub is gone; else how long until that may be known. Call it only while the list of hubs is complete. */
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

  /** The list of hubs is no longer complete, so the time of every missing hub starts again. */
  reset(): void {
    this.#missingSince.clear();
    this.#answers.clear();
  }

  async #ask(key: HubKey, since: Instant): Promise<void> {
    this.#answers.set(key, "asked");
    const exists = await this.#exists(key).catch(() => undefined); // no answer: ask again, later
    if (this.#missingSince.get(key) !== since) return; // the hub was seen in the meantime, or its time started again
    if (exists === false) {
      this.#answers.set(key, "gone");
      return;
    }
    this.#answers.delete(key);
    this.#missingSince.set(key, this.#clock.monotonic() - (exists ? 0 : this.#afterMs - retryMs));
  }
}
