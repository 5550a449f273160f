import { randomUUID } from "node:crypto";
import type { Clock } from "../../../src/runtime/deps.ts";
import { type Answer, expired, Refusal } from "./answer.ts";
import { rendered } from "./core.ts";
import type { Change, History } from "./history.ts";
import type { ApiRequest } from "./request.ts";
import { selects } from "./selector.ts";
import type { ApiType, Stored } from "./types.ts";
import { createWatchStream, type SentEvent, type WatchStream } from "./watch-stream.ts";

/** What a real server sends about every minute to those who ask for it. */
const bookmarkMs = 60_000;

/** Lists in pages, and watches. */
export interface Collections {
  list(request: ApiRequest, type: ApiType): Answer;
  watch(request: ApiRequest, type: ApiType): Answer;
  /** To be called with every change, in order. */
  changed(change: Change): void;
  /** Watches that are open; of one resource. */
  open(resource?: string): readonly WatchStream[];
  /** No list can be continued any more. */
  forget(): void;
}

interface Watching {
  readonly request: ApiRequest;
  readonly type: ApiType;
  readonly stream: WatchStream;
}

export function createCollections(history: () => History, clock: Clock): Collections {
  /** What is left of a list, by the token that continues it. */
  const pages = new Map<string, { readonly objects: readonly Stored[]; readonly resourceVersion: string }>();
  const watching = new Set<Watching>();

  /** Source: k8s.io/apiserver/pkg/storage/cacher: an object that leaves the selection is deleted to those who selected it. */
  function told({ request, type, stream }: Watching, { before, object, isDeletion }: Change): void {
    const isSelected = selects(request);
    const was = before !== undefined && isSelected(before);
    const is = !isDeletion && isSelected(object);
    if (!was && !is) return;
    const event = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
    stream.push({ type: event, object: rendered(type, request.version, object, false) });
  }

  function bookmark({ request, type }: Watching): SentEvent {
    const metadata = { name: "", resourceVersion: `${history().revision}` };
    return { type: "BOOKMARK", object: rendered(type, request.version, { metadata }, false) };
  }

  /** Ends with the time that the request gives it, and meanwhile tells how far it has come. */
  function startTimers(one: Watching): () => void {
    const { timeoutSeconds, allowWatchBookmarks } = one.request.query;
    const stopTimeout =
      timeoutSeconds === undefined
        ? undefined
        : clock.after(Number(timeoutSeconds) * 1_000, () => one.stream.end());
    let stopBookmarks: (() => void) | undefined;
    const remind = (): void => {
      stopBookmarks = clock.after(bookmarkMs, () => {
        one.stream.push(bookmark(one));
        remind();
      });
    };
    if (allowWatchBookmarks === "true") remind();
    return () => {
      stopTimeout?.();
      stopBookmarks?.();
    };
  }

  return {
    list(request, type) {
      const { continue: token = "", limit } = request.query;
      const started = token === "" ? everything(request, type) : pages.get(token);
      if (started === undefined) throw new Refusal(expired());
      const { objects, resourceVersion } = started;
      const count = limit === undefined || limit === "0" ? objects.length : Number(limit);
      const rest = objects.slice(count);
      const next = rest.length > 0 ? randomUUID() : "";
      if (next !== "") pages.set(next, { objects: rest, resourceVersion });
      const items = objects.slice(0, count).map((object) => rendered(type, request.version, object, true));
      const metadata = {
        resourceVersion,
        ...(next !== "" && { continue: next, remainingItemCount: rest.length }),
      };
      return { code: 200, body: { kind: `${type.kind}List`, metadata, items } };
    },
    watch(request, type) {
      const stream = createWatchStream(() => {
        watching.delete(one);
        stopTimers();
      });
      const one = { request, type, stream };
      let stopTimers = (): void => undefined;
      const answer = { code: 200, body: undefined, watch: stream };
      const from = Number(request.query.resourceVersion ?? 0);
      if (from > 0 && from < history().compacted) {
        const message = "The resourceVersion for the provided watch is too old.";
        const object = { kind: "Status", status: "Failure", message, reason: "Expired", code: 410 };
        stream.push({ type: "ERROR", object });
        stream.end();
        return answer;
      }
      if (from === 0)
        for (const object of everything(request, type).objects)
          stream.push({ type: "ADDED", object: rendered(type, request.version, object, false) });
      else for (const change of history().since(from, type)) told(one, change);
      watching.add(one);
      stopTimers = startTimers(one);
      return answer;
    },
    changed(change) {
      for (const one of watching) if (one.type === change.type) told(one, change);
    },
    open: (resource) =>
      [...watching]
        .filter(({ type }) => resource === undefined || type.plural === resource)
        .map(({ stream }) => stream),
    forget: () => pages.clear(),
  };

  function everything(
    request: ApiRequest,
    type: ApiType,
  ): { objects: readonly Stored[]; resourceVersion: string } {
    const sorted = [...history().objects(type)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
    return { objects: sorted.filter(selects(request)), resourceVersion: `${history().revision}` };
  }
}
