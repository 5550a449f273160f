import { systemClock } from "../../src/runtime/clock.ts";
import type { Clock, Deps, Logger } from "../../src/runtime/deps.ts";

/** Deps on the real clock that count what is still waiting on it, and whose random is 0.5. */
export function countingDeps(): Deps & { readonly waiting: () => number } {
  let waiting = 0;
  const clock: Clock = {
    ...systemClock,
    async sleep(ms, signal) {
      waiting++;
      try {
        await systemClock.sleep(ms, signal);
      } finally {
        waiting--;
      }
    },
    after(ms, run) {
      waiting++;
      let isWaiting = true;
      const settle = (): void => {
        if (isWaiting) waiting--;
        isWaiting = false;
      };
      const cancel = systemClock.after(ms, () => {
        settle();
        run();
      });
      return () => {
        settle();
        cancel();
      };
    },
  };
  return { clock, random: () => 0.5, logger: silentLogger, waiting: () => waiting };
}

const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
