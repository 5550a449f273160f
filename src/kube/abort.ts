/**
 * Aborts `controller` when `signal` aborts, with its reason. Returns the way out.
 * What AbortSignal.any does, at a tenth of its price; it is paid once per write.
 */
export function linkAbort(signal: AbortSignal, controller: AbortController): () => void {
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}
