import type { KubeObject } from "../model/kubernetes.ts";
import { linkAbort } from "../runtime/abort.ts";
import type { Deps } from "../runtime/deps.ts";
import { untilFree } from "../runtime/slices.ts";
import type { KubeClient } from "./client.ts";
import { isObject } from "./covered.ts";
import { KubeError } from "./errors.ts";
import { type Selection, selectors } from "./list.ts";
import { collectionPath, isKubeObject, isRevision, type Resource } from "./resources.ts";

/** Source: k8s.io/apimachinery/pkg/apis/meta/v1/watch.go, pkg/watch/watch.go. A BOOKMARK's object has a resourceVersion only. */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: T }
  | { readonly type: "ERROR"; readonly object: unknown };

export interface WatchOptions {
  readonly selection: Selection;
  readonly resourceVersion: string;
  /** When the server should end the watch. */
  readonly timeoutSeconds: number;
  /**
   * After this much silence the watch ends, because only a new one can tell a dead connection from a quiet resource.
   */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * The events after `resourceVersion`, in the batches in which they arrive; an empty batch says that the watch is
 * open. Ends when the server ends it or sends nothing for `idleMs`. Silence is no failure: bookmarks come about every
 * minute, but not before the resource has had its first event since the server started (measured on 1.36).
 * @throws KubeError when it cannot be opened within `idleMs`, or breaks; the signal's reason when it aborts.
 */
export async function* watch<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  { selection, resourceVersion, timeoutSeconds, idleMs, signal }: WatchOptions,
  { clock }: Pick<Deps, "clock">,
): AsyncGenerator<readonly WatchEvent<T>[]> {
  const path = collectionPath(resource, selection.namespace);
  const attempt = { method: "WATCH", path };
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  const silence = new KubeError(
    { status: 0, reason: "Timeout", text: `silent for ${idleMs / 1_000} s` },
    attempt,
  );
  const onSilence = (): void => controller.abort(silence);
  let isOpen = false;
  const query = {
    ...selectors(selection),
    watch: "1",
    resourceVersion,
    allowWatchBookmarks: "true",
    timeoutSeconds: `${timeoutSeconds}`,
  };
  let stopTimer = clock.after(idleMs, onSilence);
  try {
    const body = await client.stream({ method: "GET", path, query, signal: controller.signal });
    isOpen = true;
    yield [];
    for await (const lines of linesOf(body)) {
      stopTimer();
      await untilFree(clock);
      yield lines.map((line) => eventIn<T>(line));
      stopTimer = clock.after(idleMs, onSilence);
    }
  } catch (error) {
    if (isOpen && controller.signal.reason === silence) return;
    controller.signal.throwIfAborted();
    throw error instanceof KubeError ? error : broken(error, attempt);
  } finally {
    stopTimer();
    unlink();
  }
}

/** @throws SyntaxError when it is none. */
function eventIn<T extends KubeObject>(line: string): WatchEvent<T> {
  const event: unknown = JSON.parse(line);
  if (isEvent<T>(event)) return event;
  throw new SyntaxError("a line of the watch is no event");
}

function isEvent<T extends KubeObject>(event: unknown): event is WatchEvent<T> {
  if (!isObject(event) || !isObject(event.object)) return false;
  const { type, object } = event;
  if (type === "ERROR") return true;
  if (type === "BOOKMARK") return isObject(object.metadata) && isRevision(object.metadata.resourceVersion);
  return (type === "ADDED" || type === "MODIFIED" || type === "DELETED") && isKubeObject(object);
}

function broken(error: unknown, attempt: { readonly method: string; readonly path: string }): unknown {
  if (error instanceof SyntaxError)
    return new KubeError(
      { status: 0, reason: "BadAnswer", text: "the watch sent something other than events" },
      attempt,
    );
  const { code, message } = error as { code?: string; message?: string };
  return new KubeError(
    { status: 0, reason: "Unreachable", text: `the watch broke: ${code ?? message ?? "no reason"}` },
    attempt,
    { cause: error },
  );
}

/**
 * The whole lines of each chunk together. A broken connection leaves a line without an end: it is dropped, and the
 * next watch, from the last whole event, sends it again.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  let pending: Uint8Array[] = [];
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline) + 1;
    if (end === 0) {
      pending.push(chunk);
      continue;
    }
    const whole = Buffer.concat([...pending, chunk.subarray(0, end)]).toString("utf8");
    pending = end < chunk.length ? [chunk.subarray(end)] : [];
    yield whole.split("\n").filter((line) => line !== "");
  }
}

const newline = 0x0a;
