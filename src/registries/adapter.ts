import type { Credentials, RegistrySpec, RegistryType } from "../model/hub.ts";
import type { Snapshot } from "../model/service.ts";
import type { Deps } from "../runtime/deps.ts";

/**
 * The complete interface of a registry type.
 *
 * Expected flow: `supervise` opens an adapter, iterates `watch` until it throws, waits, and opens a new one.
 * Guarantees: every snapshot is complete. Bursts of changes may be merged. An unchanged service keeps its identity
 * (`===`) from one snapshot of a watch to the next. A service that could not be read is "unknown", never absent, and
 * one that could be read in part is `isPartial`. A bad entry is a problem of its service and never an error of the registry.
 * Assumptions: nobody else retries. An adapter may reconnect only if the registry itself proves that nothing was
 * missed, and even then lists everything again before it yields.
 * Errors: any sign that the registry started over (a new session after an expiry, counters that went back) is a
 * throw, so that the next watch settles again. If the sign also proves a loss of data, the error says `reset`.
 */
export interface RegistryAdapter {
  /**
   * Yields a complete Snapshot once the first listing is complete, then another after each change.
   * @throws RegistryError as soon as the adapter can no longer vouch for its view.
   * Ends, with every socket and timer released, within 1 s of an abort of `signal`.
   */
  watch(signal: AbortSignal): AsyncIterable<Snapshot>;
}

/** The configuration of an adapter. */
export interface RegistryConfig<T extends RegistryType = RegistryType> {
  readonly registry: RegistrySpec<T>;
  readonly credentials: Credentials;
  /**
   * Whether the hub's filter includes this interface or service name; other services need not be read and are absent.
   */
  readonly wants: (name: string) => boolean;
  /** The keys for the `facts` of instances. Default: none. */
  readonly keys?: readonly string[];
  /**
   * The names of the services that the cluster has of the hub now, in any case. If a registry hides services from the
   * hub's account, the adapter must prove that these are absent. Default: none.
   */
  readonly known?: () => Iterable<string>;
  /** How many watches in a row have failed before this one, so that a reader may wait longer. Default: 0. */
  readonly failures?: number;
}

/** Makes an adapter. Does no I/O and never throws; `watch` throws for an unusable address (InvalidSpec). */
export type RegistryFactory<T extends RegistryType> = (
  config: RegistryConfig<T>,
  deps: Deps,
) => RegistryAdapter;

/** What a registry type brings to the operator. Each type exports its own from `adapter.ts`. */
export interface RegistryTypeTraits<T extends RegistryType> {
  readonly create: RegistryFactory<T>;
  /** How long nothing counts as gone after the first listing of a watch. */
  readonly settleMs: number;
  /** The same after the registry lost its data. */
  readonly settleAfterLossMs: number;
}
