import { applyTo, remove } from "../../kube/apply.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { KubeError } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { ObjectStore } from "../../kube/reflector.ts";
import { apiVersionOf, type Resource } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import type { Deps, Fields } from "../../runtime/deps.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { Contention } from "./contention.ts";
import { Pace } from "./pace.ts";
import { Refusals } from "./refusals.ts";

/** From this repair on, a fight over an object gets an Event. */
const contestedTimes = 3;

/** The shared tools of a worker that writes. */
export interface Tools<M extends Metrics = Metrics> {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly metrics: M;
  readonly deps: Deps;
  readonly signal: AbortSignal;
  /** The API server takes writes in the namespace again: what it refused there is worth another try. */
  recall(namespace: string): void;
}

/**
 * Writes and deletes the objects of one resource that a controller owns. It counts and logs each write, puts the
 * answer into the store, and avoids fights. `key` identifies the subject of an object; `fields` are for the log.
 */
export class ObjectWriter<T extends KubeObject> {
  readonly #store: ObjectStore<T>;
  readonly #resource: Resource;
  readonly #fieldManager: string;
  readonly #tools: Tools;
  readonly #isShared: boolean;
  readonly #contention: Contention;
  readonly #pace: Pace;
  readonly #refusals: Refusals;

  /** @param isShared another process of the operator may write the same objects, so one that changed is left as it is. */
  constructor(
    store: ObjectStore<T>,
    resource: Resource,
    fieldManager: string,
    tools: Tools,
    { isShared = false } = {},
  ) {
    this.#store = store;
    this.#resource = resource;
    this.#fieldManager = fieldManager;
    this.#tools = tools;
    this.#isShared = isShared;
    this.#contention = new Contention(tools.deps.clock);
    this.#pace = new Pace(tools.deps.clock);
    this.#refusals = new Refusals(tools.deps.clock);
  }

  /** How long to wait before this write, because another client keeps undoing it. */
  pauseMs(key: string, desired: T): Ms {
    return this.#contention.pauseMs(key, contentHash(desired));
  }

  /** How long to wait before the next write, because the object is large and was written a moment ago. */
  pacedMs(key: string): Ms {
    return this.#pace.pauseMs(key);
  }

  /**
   * Creates the object if there is no `actual` one, and else changes that one and no other. Returns the error of a
   * failed write.
   */
  async apply(
    key: string,
    desired: T,
    actual: T | undefined,
    fields: Fields,
  ): Promise<KubeError | undefined> {
    const { client, deps, metrics, signal } = this.#tools;
    const written = await applyTo(client, this.#resource, actual, desired, {
      fieldManager: this.#fieldManager,
      signal,
      onlyVersionRead: this.#isShared,
    });
    if ("error" in written) return this.#failed("apply", desired, written.error, fields);
    this.#succeeded("apply", desired);
    const bytes = Buffer.byteLength(JSON.stringify(desired));
    metrics.wroteBytes(this.#resource.kind, bytes);
    this.#pace.wrote(key, bytes);
    if (actual === undefined) deps.logger.info("object created", { kind: this.#resource.kind, ...fields });
    else deps.logger.debug("object changed", { kind: this.#resource.kind, ...fields });
    this.#store.put(written.ok);
    const repairs = this.#contention.wrote(key, contentHash(desired));
    if (repairs > 0) metrics.repaired(this.#resource.kind);
    if (repairs >= contestedTimes) {
      this.recordEvent(
        written.ok,
        "Contended",
        "another client keeps changing this object; find it in metadata.managedFields and stop it",
      );
    }
    return undefined;
  }

  /**
   * Deletes exactly this version of the object. Returns the error of a failed delete. What a finalizer keeps is in the
   * store, and can be written to, until it is gone; to delete it again does nothing.
   */
  async delete(key: string, object: T, fields: Fields): Promise<KubeError | undefined> {
    if (object.metadata.deletionTimestamp !== undefined) return undefined;
    const { client, deps, signal } = this.#tools;
    const removed = await remove(client, this.#resource, object, signal);
    if ("error" in removed) return this.#failed("delete", object, removed.error, fields);
    this.#succeeded("delete", object);
    const kept = removed.ok;
    const done = kept ? "object deleted, but a finalizer keeps it" : "object deleted";
    deps.logger.info(done, { kind: this.#resource.kind, ...fields });
    this.forget(key);
    if (kept) this.#store.put(kept);
    else this.#store.remove(object);
    return undefined;
  }

  /** Records an Event on the object, for something that needs a person. */
  recordEvent(object: T, reason: string, message: string): void {
    this.#tools.events.record({ object: this.#typed(object), type: "Warning", reason, message });
  }

  /** Records an Event about what became of the object: for its users, and one of many perhaps. */
  recordChange(object: T, reason: string, message: string): void {
    this.#tools.events.record({
      object: this.#typed(object),
      type: "Normal",
      reason,
      message,
      isMinor: true,
    });
  }

  #typed(object: T): T {
    return { ...object, apiVersion: apiVersionOf(this.#resource), kind: this.#resource.kind };
  }

  forget(key: string): void {
    this.#contention.forget(key);
    this.#pace.forget(key);
  }

  #succeeded(verb: "apply" | "delete", { metadata: { namespace = "" } }: KubeObject): void {
    this.#count(verb, "ok");
    if (this.#refusals.succeeded(namespace)) this.#tools.recall(namespace);
  }

  /** Whatever the reason, it is likely to be that of many objects: one line tells of all, `debug` of each. */
  #failed(
    verb: "apply" | "delete",
    { metadata: { namespace = "" } }: KubeObject,
    error: KubeError,
    fields: Fields,
  ): KubeError {
    const { logger } = this.#tools.deps;
    this.#count(verb, error.reason);
    const level = this.#refusals.failed(namespace, error) ? "warn" : "debug";
    const { reason, message } = error;
    const { kind } = this.#resource;
    logger[level]("object not written", { kind, ...fields, namespace, verb, reason, error: message });
    return error;
  }

  #count(verb: "apply" | "delete", result: string): void {
    this.#tools.metrics.wrote(this.#resource.kind, verb, result);
  }
}

function contentHash({ metadata }: KubeObject): string {
  return metadata.annotations?.[annotations.lastApplied] ?? "";
}
