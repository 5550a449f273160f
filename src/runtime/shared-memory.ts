interface Turn {
  readonly owner: object;
  readonly bytes: number;
  readonly signal: AbortSignal;
  readonly begin: () => void;
}

/**
 * Memory that all readers of a process share. What a reader may need at most is set aside at once, so nobody waits while
 * he holds a part, and nobody waits for ever. Turns come in the order in which they were asked for. An owner has at most
 * half of it at a time, however many readers it has, so the others have the rest.
 */
export class SharedMemory {
  readonly bytes: number;
  readonly #held = new Map<object, number>();
  #free: number;
  #waiting: readonly Turn[] = [];

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#free = bytes;
  }

  /** Sets bytes aside for `owner` when it is its turn, and returns how they are given back. @throws the signal's reason. */
  async take(owner: object, bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn: Turn = { owner, bytes: Math.min(bytes, this.bytes), signal, begin: resolve };
    const leave = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== turn);
      this.#begin(); // those behind it may fit
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting = [...this.#waiting, turn];
    this.#begin();
    await promise.finally(() => signal.removeEventListener("abort", leave));
    let isHeld = true;
    return () => {
      if (isHeld) this.#hold(turn, -turn.bytes);
      isHeld = false;
      this.#begin();
    };
  }

  /** Whether a reader with this signal waits for its turn. */
  isAwaitedBy(signal: AbortSignal): boolean {
    return this.#waiting.some((turn) => turn.signal === signal);
  }

  #begin(): void {
    const begun = new Set<Turn>();
    for (const turn of this.#waiting) {
      if (!this.#isWithinShare(turn)) continue;
      if (turn.bytes > this.#free) break; // what is large would never have its turn behind many that are small
      this.#hold(turn, turn.bytes);
      begun.add(turn);
      turn.begin();
    }
    if (begun.size > 0) this.#waiting = this.#waiting.filter((turn) => !begun.has(turn));
  }

  #isWithinShare({ owner, bytes }: Turn): boolean {
    const held = this.#held.get(owner) ?? 0;
    return held === 0 || held + bytes <= this.bytes / 2;
  }

  #hold({ owner }: Turn, bytes: number): void {
    const held = (this.#held.get(owner) ?? 0) + bytes;
    this.#free -= bytes;
    if (held > 0) this.#held.set(owner, held);
    else this.#held.delete(owner);
  }
}
