import type { HostKey } from "../../model/entry.ts";
import { nextTurn } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";

/** So many hosts are queued in much less than a slice, even where they are in no cache of the processor. */
const atOnce = 100;

/** Queues all hosts of a hub in slices, because 10,000 take a while; those that come meanwhile queue themselves. */
export class LookAtAll {
  readonly #hosts: () => Iterable<HostKey>;
  readonly #enqueue: (hosts: readonly HostKey[]) => void;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #onBug: (error: unknown) => void;
  #isAsked = false;
  #isOn = false;

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

  /** Whether it has begun, and not all hosts are queued yet. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether it was asked for and is not over, even if it has not begun. */
  get isDue(): boolean {
    return this.#isAsked || this.#isOn;
  }

  /** Begins with the next turn of the event loop; once more from the beginning if it has begun. */
  ask(): void {
    if (!this.#isAsked && !this.#isOn) nextTurn(() => void this.#run());
    this.#isAsked = true;
  }

  async #run(): Promise<void> {
    this.#isOn = true;
    try {
      while (this.#isAsked) {
        this.#isAsked = false;
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
