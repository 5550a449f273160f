import { systemClock } from "../../src/runtime/clock.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { createLogger } from "../../src/runtime/logger.ts";

/** As the program has them, without its log. */
export const deps: Deps = {
  clock: systemClock,
  random: Math.random,
  logger: createLogger("error", { write: () => undefined }),
};
