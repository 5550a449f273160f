import type { Deps } from "../runtime/deps.ts";
import type { KubeError } from "./errors.ts";

const firstDelayMs = 500;
const maxDelayMs = 30_000;
/** A CRD or a right that somebody is about to add is seen soon. */
const maxDelayForMissingMs = 5_000;
/** So long without a failure, and the next one is the first again. */
const forgetMs = 60_000;

/** The pauses of one retry loop. */
export interface Backoff {
  /** How long to wait after this failure, and how many there were in a row. */
  next(error: KubeError): { readonly delayMs: number; readonly failures: number };
}

/** Doubling, jittered pauses of 0.5 s to 30 s, and never less than the server asked for. */
export function createBackoff({ clock, random }: Pick<Deps, "clock" | "random">): Backoff {
  let failures = 0;
  let forgetAt = 0;
  return {
    next(error) {
      if (clock.monotonic() >= forgetAt) failures = 0;
      const capMs = error.status === 404 || error.status === 403 ? maxDelayForMissingMs : maxDelayMs;
      const fullMs = Math.min(firstDelayMs * 2 ** failures, capMs);
      const delayMs = Math.max(fullMs * (0.5 + random() / 2), error.retryAfterMs ?? 0);
      failures += 1;
      forgetAt = clock.monotonic() + delayMs + forgetMs;
      return { delayMs, failures };
    },
  };
}
