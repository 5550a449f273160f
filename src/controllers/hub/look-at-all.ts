import type { HostKey } from "../../model/entry.ts";
import { nextTurn } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";

/** So many hosts are queued in much less than a slice. */
const atOnce = 500;

/** Queues all hosts of a hub in slices, because 10,000 take a while; those that come meanwhile queue themselves. */
export class LookAtAll {
  readonly #hosts: () => Iterable<HostKey>;
  readonly #enqueue: (hosts: readonly HostKey[]) => void;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #onBug: (error: unknown) => void;
  #isOn = false;
  #again = false;

  /** @param onBug told what `hosts` and `enqueue` throw. */
  constructor(
    hosts: () => Iterable<HostKey>,
    enqueue: (hosts: readonly HostKey[]) => void,
    clock: Pick<Clock, "monotonic">,
    onBug: (error: unknown) => void,
  ) {
    this.#hosts = hosts;
    this.#enqueue = enqueue;
    this.#clock = clock;
    this.#onBug = onBug;
  }

  /** Whether not all hosts are queued yet. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Begins with the next turn of the event loop; once more from the beginning if it has begun. */
  ask(): void {
    this.#again = true;
    if (this.#isOn) return;
    this.#isOn = true;
    nextTurn(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false;
        await inSlices(this.#steps(), this.#clock);
      }
    } catch (error) {
      this.#onBug(error);
    } finally {
      this.#isOn = false;
    }
  }

  *#steps(): Steps<void> {
    let some: HostKey[] = [];
    for (const host of this.#hosts()) {
      some.push(host);
      if (some.length < atOnce) continue;
      this.#enqueue(some);
      some = [];
      yield;
    }
    this.#enqueue(some);
  }
}
