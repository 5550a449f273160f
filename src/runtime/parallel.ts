/**
 * Runs `task` on every item, at most `limit` at a time. @throws what the first failing task threw; others run
 * out.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await task(item); // one iterator for all workers: each item is taken once
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
