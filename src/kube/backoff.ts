import type { Deps } from "../runtime/deps.ts";
import type { KubeError } from "./errors.ts";

const firstDelayMs = 500;
const maxDelayMs = 30_000;
/** Missing CRDs and rights are retried sooner, because somebody is often about to add them. */
const maxDelayForMissingMs = 5_000;
/** After this time without a failure, the next failure counts as the first. */
const forgetMs = 60_000;

/** The pauses of one retry loop. */
export interface Backoff {
  /** How long to wait after this failure, and how many failures in a row there were. */
  next(error: KubeError): { readonly delayMs: number; readonly failures: number };
}

/** Doubling, jittered pauses of 0.5 s to 30 s, and never shorter than the server asked for. */
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
