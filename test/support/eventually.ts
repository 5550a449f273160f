import { setTimeout as delay } from "node:timers/promises";

/**
 * The value of `assertion` as soon as it stops throwing.
 *
 * The deadline is checked between attempts: an attempt that is under way is never cut off. A pause between two counts as
 * long as it was meant to be: where the machine, or this process, has stood still, so has what is waited for.
 *
 * @throws Error `not within <ms> ms: <last message>`, with the last error as its cause.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  deadlineMs: number,
  everyMs = 50,
): Promise<Awaited<T>> {
  const start = performance.now();
  for (let waitedMs = 0; ; waitedMs += everyMs) {
    const attempted = performance.now();
    try {
      return await assertion();
    } catch (cause) {
      const now = performance.now();
      waitedMs += now - attempted;
      if (waitedMs >= deadlineMs) {
        const last = cause instanceof Error ? cause.message : String(cause);
        const triedMs = Math.round(now - start);
        throw new Error(`not within ${deadlineMs} ms (tried for ${triedMs} ms): ${last}`, { cause });
      }
    }
    await delay(everyMs);
  }
}
