import type { Clock } from "../runtime/deps.ts";

export interface Limit {
  readonly burst: number;
  readonly perSecond: number;
}

/** So many at once, and so many a second in the long run. Returns whether there is one to take, and takes it. */
export function createTokenBucket(
  { burst, perSecond }: Limit,
  { monotonic }: Pick<Clock, "monotonic">,
): () => boolean {
  let tokens = burst;
  let countedAt = monotonic();
  return () => {
    const now = monotonic();
    tokens = Math.min(burst, tokens + ((now - countedAt) / 1_000) * perSecond);
    countedAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
