import { setTimeout as delay } from "node:timers/promises";

/**
 * The value of `assertion` as soon as it stops throwing.
 *
 * The deadline is checked between attempts: an attempt that is under way is never cut off.
 *
 * @throws Error `not within <ms> ms: <last message>`, with the last error as its cause.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  deadlineMs: number,
  everyMs = 50,
): Promise<Awaited<T>> {
  const start = performance.now();
  for (;;) {
    try {
      return await assertion();
    } catch (cause) {
      const elapsedMs = Math.round(performance.now() - start);
      if (elapsedMs >= deadlineMs) {
        const last = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`not within ${deadlineMs} ms (tried for ${elapsedMs} ms): ${last}`, { cause });
      }
    }
    await delay(everyMs);
  }
}
