import type { KubeObject } from "../model/kubernetes.ts";
import type { Deps } from "../runtime/deps.ts";
import type { KubeClient } from "./client.ts";
import { errorOf, isTooMuch, KubeError } from "./errors.ts";
import { type ListResult, list, type Selection } from "./list.ts";
import { collectionPath, type ObjectKey, objectKey, type Resource } from "./resources.ts";
import type { Store } from "./store.ts";
import { type WatchEvent, watch } from "./watch.ts";

export interface ListWatchOptions<T> extends Selection {
  /** Drops fields that nobody needs; `objectKey`, and the uid and resourceVersion as far as there are any, stay. */
  readonly transform?: (object: T) => T;
  readonly pageSize?: number;
  /** A watch is reopened after this silence, in ms. */
  readonly idleMs?: number;
  /** The server ends a watch after this many seconds, or up to twice as many. */
  readonly watchSeconds?: number;
}

/**
 * The first size of a page, which one turn of the event loop parses and trims: 100 entries of 10 endpoints take it 6 ms,
 * the 500 that other clients ask for take 35 ms (measured).
 */
const defaults = { pageSize: 100, idleMs: 90_000, watchSeconds: 240 };
/** So few objects are never too much for one answer: an object may have a megabyte. */
const minPageSize = 10;
/** A watch that ends sooner did not end because of its time limit or silence. */
const shortWatchMs = 2_000;

/** Keeps a store equal to the API server's objects. */
export interface ListWatch {
  /**
   * One watch, preceded by a list if the store has nothing to continue from, or if `mayContinue` says that it is too
   * old. Yields the changed keys, also an empty set, each time the store is complete and up to date. Ends when the
   * server ends the watch, and when the store became too old before the watch was open: the next one lists.
   * @throws KubeError when the connection breaks or cannot be opened, or the server refuses.
   */
  follow(signal: AbortSignal, mayContinue: () => boolean): AsyncGenerator<ReadonlySet<ObjectKey>>;
  /** The next `follow` lists. */
  forget(): void;
}

export function createListWatch<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  store: Store<T>,
  options: ListWatchOptions<T>,
  deps: Pick<Deps, "clock" | "random">,
): ListWatch {
  const { idleMs, watchSeconds } = { ...defaults, ...options };
  let { pageSize = defaults.pageSize } = options;
  const transform = options.transform ?? ((object: T): T => object);
  let mustList = true;

  async function* watchOnce(
    signal: AbortSignal,
    mayContinue: () => boolean,
  ): AsyncGenerator<ReadonlySet<ObjectKey>> {
    const start = deps.clock.monotonic();
    const watching = {
      selection: options,
      resourceVersion: store.resourceVersion ?? "0",
      timeoutSeconds: Math.ceil(watchSeconds * (1 + deps.random())),
      idleMs,
      signal,
    };
    for await (const events of watch<T>(client, resource, watching, deps)) {
      if (!mayContinue()) return;
      yield take(store, events);
      const failure = events.find((event) => event.type === "ERROR");
      if (failure === undefined) continue;
      mustList = true;
      throw errorOf(attemptAt(resource, options), failure.object);
    }
    if (deps.clock.monotonic() - start < Math.min(shortWatchMs, idleMs))
      throw new KubeError({ status: 0, reason: "Unreachable", text: "the watch ended immediately" });
  }

  /** A page that is too much for one answer is half as long the next time, and so are all others. */
  async function listAll(signal: AbortSignal): Promise<ListResult<T>> {
    try {
      return await list<T>(client, resource, { selection: options, pageSize, transform, signal });
    } catch (error) {
      if (error instanceof KubeError && isTooMuch(error))
        pageSize = Math.min(pageSize, Math.max(minPageSize, Math.ceil(pageSize / 2)));
      throw error;
    }
  }

  /** On its own: what `follow` held here it would hold for as long as the watch after it. */
  async function relist(signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    const { objects, resourceVersion } = await listAll(signal);
    mustList = false;
    return store.replace(objects, resourceVersion);
  }

  return {
    async *follow(signal, mayContinue) {
      if (mustList || !mayContinue()) yield await relist(signal);
      yield* watchOnce(signal, mayContinue);
    },
    forget() {
      mustList = true;
    },
  };
}

const attemptAt = (resource: Resource, { namespace }: Selection): { method: string; path: string } => ({
  method: "WATCH",
  path: collectionPath(resource, namespace),
});

/** Puts events into the store, up to an ERROR. Returns the keys that changed. */
function take<T extends KubeObject>(
  store: Store<T>,
  events: readonly WatchEvent<T>[],
): ReadonlySet<ObjectKey> {
  const changed = new Set<ObjectKey>();
  for (const event of events) {
    if (event.type === "ERROR") break;
    const { resourceVersion } = event.object.metadata;
    if (event.type !== "BOOKMARK") {
      const isNews = event.type === "DELETED" ? store.delete(event.object) : store.put(event.object);
      if (isNews) changed.add(objectKey(event.object));
    }
    if (resourceVersion !== undefined) store.advance(resourceVersion);
  }
  return changed;
}
