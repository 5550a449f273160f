import type { Credentials, RegistrySpec, RegistryType } from "../model/hub.ts";
import type { Snapshot } from "../model/service.ts";
import type { Deps } from "../runtime/deps.ts";

/**
 * The whole of what a registry type must implement.
 *
 * Expected flow: `supervise` opens an adapter, iterates `watch` until it throws, waits, and opens a new one.
 * Guarantees: every snapshot is complete; bursts of changes may be merged into one; services that did not change keep
 * their identity (`===`) from one snapshot of a watch to the next; what could not be read is "unknown", never absent;
 * one bad entry is a problem of its service and never an error of the registry.
 * Assumptions: nobody else retries: an adapter may reconnect only where the registry itself proves that nothing was
 * missed, and even then lists everything anew before it yields.
 * Errors: any sign that the registry started over (a new session after an expiry, counters that went back) is a throw,
 * so that the next watch settles anew; if it also proves that data was lost, the error says `reset`.
 */
export interface RegistryAdapter {
  /**
   * Yields a complete Snapshot once the first listing is whole, then another after each change.
   * @throws RegistryError as soon as the view can no longer be vouched for.
   * Ends, every socket and timer released, within 1 s of `signal` aborting.
   */
  watch(signal: AbortSignal): AsyncIterable<Snapshot>;
}

/** What an adapter is opened with. */
export interface RegistryConfig<T extends RegistryType = RegistryType> {
  readonly registry: RegistrySpec<T>;
  readonly credentials: Credentials;
  /** Whether the hub's filter lets this interface or service name pass; others need not be read and are absent. */
  readonly wants: (name: string) => boolean;
  /**
   * The names of the services that the cluster has of the hub at this moment, in whatever case: where a registry hides what
   * the hub's account may not read, their absence has to be proved. Default: none.
   */
  readonly known?: () => Iterable<string>;
}

/** Makes an adapter. Does no I/O and never throws: an address that cannot be used is thrown by `watch` (InvalidSpec). */
export type RegistryFactory<T extends RegistryType> = (
  config: RegistryConfig<T>,
  deps: Deps,
) => RegistryAdapter;
