import { RegistryError } from "../model/errors.ts";
import type { Snapshot } from "../model/service.ts";
import { pause } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import type { RegistryAdapter } from "./adapter.ts";

const firstDelayMs = 1_000;
const maxDelayMs = 30_000;

/** How much is known of a registry: nothing yet, all of it now, or all of it at an earlier moment. */
export type RegistryState =
  | { readonly state: "pending"; readonly error?: RegistryError }
  | {
      readonly state: "synced";
      readonly snapshot: Snapshot;
      /** The first snapshot of its watch, so settling starts. */
      readonly first: boolean;
    }
  | { readonly state: "stale"; readonly snapshot: Snapshot; readonly error?: RegistryError };

/**
 * Reads one registry until `signal` aborts. Each throw becomes one `pending` or `stale` state, a jittered pause of
 * 0.5 s to 30 s, and a fresh adapter from `open`, which resolves credentials and may also throw a RegistryError. It
 * is told how many watches in a row have failed. This
 * is the only retry loop around adapters, and the only place that outlives a watch, so it also reports a `position`
 * that went back as a reset. `last` is the newest snapshot of an earlier supervisor of the same registry. @throws any
 * error that is not a RegistryError, because that is a bug and must be visible.
 */
export async function* supervise(
  open: (signal: AbortSignal, failures: number) => Promise<RegistryAdapter>,
  deps: Deps,
  signal: AbortSignal,
  last?: Snapshot,
): AsyncGenerator<RegistryState> {
  let snapshot = last;
  let position = last?.position ?? 0;
  let failures = 0;
  while (!signal.aborted) {
    let failure: RegistryError;
    try {
      const adapter = await open(signal, failures);
      let first = true;
      for await (const next of adapter.watch(signal)) {
        failures = 0;
        const before = position;
        position = next.position ?? 0;
        if (position < before) throw dataLost(before, position);
        snapshot = next;
        yield { state: "synced", snapshot, first };
        first = false;
      }
      failure = new RegistryError(
        "RegistryUnreachable",
        "the registry ended the watch",
        "See the registry's log.",
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof RegistryError)) throw error;
      failure = error;
    }
    if (signal.aborted) return;
    yield snapshot === undefined
      ? { state: "pending", error: failure }
      : { state: "stale", snapshot, error: failure };
    const delayMs = Math.min(firstDelayMs * 2 ** failures, maxDelayMs);
    failures++;
    await pause(deps.clock, delayMs * (0.5 + deps.random() / 2), signal);
  }
}

function dataLost(before: number, now: number): RegistryError {
  const detail = `the registry lost data: its history was at ${before} and is now at ${now}`;
  const advice = "Check whether the registry was wiped or restored. The operator keeps what it had for now.";
  return new RegistryError("RegistryBadResponse", detail, advice, { reset: true });
}
