import type { Instant, Ms } from "../../model/entry.ts";
import type { Clock } from "../../runtime/deps.ts";

const firstPauseMs = 1_000;
const maxPauseMs = 300_000;
const forgetAfterMs = 600_000;

interface Contest {
  readonly hash: string;
  readonly writtenAt: Instant;
  readonly times: number;
}

/**
 * Notices when another client keeps undoing our writes (the old product, another operator). The first repair is
 * immediate. Each further one waits twice as long, up to 5 min, until 10 min pass without a fight.
 */
export class Contention {
  readonly #contests = new Map<string, Contest>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long to wait before writing `hash` to `key` again; 0 for a new hash and for the first repair. */
  pauseMs(key: string, hash: string): Ms {
    const contest = this.#contests.get(key);
    if (contest === undefined || contest.hash !== hash || contest.times < 1) return 0;
    const pause = Math.min(firstPauseMs * 2 ** (contest.times - 1), maxPauseMs);
    return Math.max(0, contest.writtenAt + pause - this.#clock.monotonic());
  }

  /** Records that `hash` was written to `key`. Returns how many repairs in a row this is. */
  wrote(key: string, hash: string): number {
    const now = this.#clock.monotonic();
    const before = this.#contests.get(key);
    const isRepair = before !== undefined && before.hash === hash && now - before.writtenAt < forgetAfterMs;
    const times = isRepair ? before.times + 1 : 0;
    this.#contests.set(key, { hash, writtenAt: now, times });
    return times;
  }

  forget(key: string): void {
    this.#contests.delete(key);
  }
}
