/**
 * Aborts `controller` when `signal` aborts, with its reason. Returns the way out.
 * What AbortSignal.any does, at a tenth of its price; it is paid once per request.
 */
export function linkAbort(signal: AbortSignal, controller: AbortController): () => void {
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/**
 * What something comes to that notices an abort late or never: undici only once it has a connection, which a silent server
 * can keep it from for 10 s. @throws what it throws; the signal's reason.
 */
export function unlessAborted<T>(request: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  if (signal.aborted) aborted.reject(signal.reason);
  signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  return Promise.race([request, aborted.promise]);
}
