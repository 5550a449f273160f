import type { KubeObject } from "../model/kubernetes.ts";
import { pause } from "../runtime/clock.ts";
import type { Clock, Deps } from "../runtime/deps.ts";
import { untilFree } from "../runtime/slices.ts";
import { createBackoff } from "./backoff.ts";
import type { KubeClient } from "./client.ts";
import { KubeError, retryDelay } from "./errors.ts";
import { createListWatch, type ListWatchOptions } from "./list-watch.ts";
import { type ObjectKey, objectKey, type Resource } from "./resources.ts";
import { createStore } from "./store.ts";

/** How much is known of the objects: nothing yet; all of them, now; all of them, at an earlier time. */
export type ReflectorStatus =
  | { readonly state: "synced" }
  | { readonly state: "pending" /** Why, once it is known. */; readonly error?: KubeError }
  | { readonly state: "stale"; readonly error: KubeError };

/**
 * A live copy of all objects of one type.
 *
 * Expected flow: call `run` once; wait for "synced"; read `objects`, and again whenever a listener is called.
 * Guarantees: since the first "synced", `objects` is a complete set, but an older one while "stale". No version of an
 * object is ever followed by an older one. The next list finds objects that were deleted while the watch was down.
 * Errors: it retries whatever the API server answers, with pauses of 0.5 s to 30 s (5 s while the resource type or a
 * right is missing) and never earlier than the server asks for.
 */
export interface Reflector<T> {
  readonly objects: ReadonlyMap<ObjectKey, T>;
  readonly status: ReflectorStatus;
  /**
   * Called after each change with the changed keys, or with none if only `status` changed. A long list comes in parts,
   * which leave the event loop its turns, and "synced" with the last one. Returns the unsubscribe function.
   */
  subscribe(listener: (keys: ReadonlySet<ObjectKey>) => void): () => void;
  /** Stores the answer of our own write, so that no decision uses the older version. */
  put(object: T): void;
  /** Records that we deleted exactly this object. */
  remove(object: KubeObject): void;
  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  run(signal: AbortSignal): Promise<void>;
}

/** The part of it that a writing worker needs: the objects, and a way to store its own writes. */
export type ObjectStore<T> = Pick<Reflector<T>, "objects" | "put" | "remove">;

/**
 * Why the objects are unreliable, if that is worth reporting: nothing was ever listed, or the server refuses
 * permanently. A broken watch, and a server that is busy or starting, recover without help.
 */
export function obstacleOf(status: ReflectorStatus): KubeError | undefined {
  if (status.state === "synced" || status.error === undefined) return undefined;
  return status.state === "pending" || retryDelay(status.error) === undefined ? status.error : undefined;
}

/** Listeners need some milliseconds at most for so many objects. */
const partSize = 50;

/**
 * After a longer outage the reflector lists first: a new watch reports itself open before it has replayed what was
 * missed.
 */
const longLossMs = 5_000;

/** Does nothing before `run`. `options` selects the objects. */
export function createReflector<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  options: ListWatchOptions<T>,
  deps: Deps,
): Reflector<T> {
  const logger = deps.logger.child({ resource: resource.plural });
  const store = createStore<T>(options.transform);
  const listWatch = createListWatch(client, resource, store, options, deps);
  const backoff = createBackoff(deps);
  const { subscribe, notify } = createListeners();
  let status: ReflectorStatus = { state: "pending" };
  let lostAt: number | undefined;

  async function current(changed: ReadonlySet<ObjectKey>): Promise<void> {
    const isNews = status.state !== "synced";
    const told = isNews ? await tellInParts(changed, notify, deps.clock) : changed;
    status = { state: "synced" };
    lostAt = undefined;
    if (isNews) logger.info("watching", { objects: store.objects.size });
    if (isNews || told.size > 0) notify(told);
  }

  function failed(error: KubeError): void {
    const isNews = status.state === "synced" || status.error?.message !== error.message;
    status = { state: status.state === "pending" ? "pending" : "stale", error };
    if (!isNews) return;
    logger.warn("not watching", { error: error.message });
    notify(new Set());
  }

  const isLossShort = (): boolean => lostAt === undefined || deps.clock.monotonic() - lostAt <= longLossMs;

  return {
    objects: store.objects,
    get status() {
      return status;
    },
    subscribe,
    put(object) {
      if (store.put(object)) notify(new Set([objectKey(object)]));
    },
    remove(object) {
      if (store.remove(object)) notify(new Set([objectKey(object)]));
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          for await (const changed of listWatch.follow(signal, isLossShort)) await current(changed);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof KubeError)) throw error;
          failed(error);
          const { delayMs, failures } = backoff.next(error);
          lostAt ??= deps.clock.monotonic();
          if (mustList(error, failures)) listWatch.forget();
          await pause(deps.clock, delayMs, signal);
        }
      }
    },
  };
}

/** Whether a watch cannot continue: its history or its type is gone, or several attempts failed. */
function mustList({ status }: KubeError, failures: number): boolean {
  return status === 404 || status === 410 || failures % 5 === 0;
}

/** Tells of all that a long list brought but the rest, which is returned. */
async function tellInParts(
  changed: ReadonlySet<ObjectKey>,
  notify: Listener,
  clock: Clock,
): Promise<ReadonlySet<ObjectKey>> {
  const keys = [...changed];
  let told = 0;
  for (; keys.length - told > partSize; told += partSize) {
    await untilFree(clock);
    notify(new Set(keys.slice(told, told + partSize)));
  }
  await untilFree(clock);
  return new Set(keys.slice(told));
}

type Listener = (keys: ReadonlySet<ObjectKey>) => void;

function createListeners(): { subscribe: (listener: Listener) => () => void; notify: Listener } {
  const listeners = new Set<Listener>();
  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notify(keys) {
      for (const listener of listeners) listener(keys);
    },
  };
}
