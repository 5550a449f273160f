/**
 * Runs `task` on every item, at most `limit` at a time. @throws the first error of a task; other running tasks
 * finish.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await task(item); // all workers share one iterator, so each item is taken once
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
