import type { Ms } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { WorkQueue } from "../writes/queue.ts";

/** How long a status waits for hosts that are planned as fast as the processor allows, and for those that wait for writes. */
const maxMs = { slice: 30_000, worker: 1_000 } as const;
/** How soon to ask again. */
const againMs = 100;

/**
 * Holds a status back while hosts of the hub's target wait for their plan, because their earlier findings would appear
 * as today's. Without it, a restart wrote DeletionHeld=True/Settling for hosts that were planned before their registry
 * was listed, and took it back.
 */
export class HeldBack {
  readonly #since = new Map<HubKey, Ms>();
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #hosts: Pick<WorkQueue, "waitsFor">;

  constructor(clock: Pick<Clock, "monotonic">, hosts: Pick<WorkQueue, "waitsFor">) {
    this.#clock = clock;
    this.#hosts = hosts;
  }

  /** When to ask again; undefined = the status may be made now, as it also may when all that takes too long. */
  againInMs(key: HubKey, target: string): Ms | undefined {
    const waitsFor = this.#hosts.waitsFor(target);
    const now = this.#clock.monotonic();
    const since = this.#since.get(key) ?? now;
    if (waitsFor === "nothing" || now - since >= maxMs[waitsFor]) {
      this.#since.delete(key);
      return undefined;
    }
    this.#since.set(key, since);
    return againMs;
  }
}
