import { createHash } from "node:crypto";
import type { KubeObject } from "../model/kubernetes.ts";
import { rfc3339 } from "../model/time.ts";
import type { Deps } from "../runtime/deps.ts";
import { apply } from "./apply.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, objectKey, resources } from "./resources.ts";
import { createTokenBucket, type Limit } from "./token-bucket.ts";

/** Minimum time between two writes of one (object, reason). */
const intervalMs = 60_000;
/** A repeat after this time is a new Event. */
const forgetMs = 600_000;
/** All Events together: they go through the same gate as the objects that they are about. */
const limit = { burst: 25, perSecond: 1 } as const;
/** Those about the objects of one namespace, so that its trouble leaves room for that of others. */
const namespaceLimit = { burst: 12, perSecond: 0.5 } as const;
/** Minor ones get half of each. */
const minorLimit = { burst: 12, perSecond: 0.5 } as const;
const minorNamespaceLimit = { burst: 6, perSecond: 0.25 } as const;
/** So many namespaces are counted before counting begins anew. */
const maxNamespaces = 1_000;

/** Something that happened to an object, for `kubectl describe`. */
export interface EventNote {
  /** With apiVersion and kind. */
  readonly object: KubeObject;
  readonly type: "Normal" | "Warning";
  /** CamelCase, constant. */
  readonly reason: string;
  /** A sentence; never a secret. */
  readonly message: string;
  /** One of many alike: what concerns a whole hub has room, however many of these there are. */
  readonly isMinor?: true;
}

export interface EventRecorder {
  /**
   * Returns at once. A repeat raises the Event's count, with at most one write a minute. A failed write is only
   * logged. When there are too many Events, in all or of a namespace, an unwritten one waits for its next repeat, whose count includes it.
   */
  record(note: EventNote): void;
}

/** One Event object, for all repeats of one (object, reason). */
interface Series {
  readonly name: string;
  /** Wall time, ms. */
  readonly firstAt: number;
  lastAt: number;
  /** When the next write is allowed, on the monotonic clock. */
  quietUntil: number;
  count: number;
  note: EventNote;
  isWaiting: boolean;
}

/** Whether the Event of a note may be written now; asking uses up a part of what its namespace, and everybody, has. */
function createAllowance(clock: Deps["clock"], all: Limit, each: Limit): (note: EventNote) => boolean {
  const mayWriteAny = createTokenBucket(all, clock);
  const namespaces = new Map<string, () => boolean>();
  return ({ object }) => {
    const { namespace = "" } = object.metadata;
    const mayWriteOf = namespaces.get(namespace) ?? createTokenBucket(each, clock);
    if (namespaces.size >= maxNamespaces) namespaces.clear();
    namespaces.set(namespace, mayWriteOf);
    return mayWriteOf() && mayWriteAny();
  };
}

/**
 * `component` is the reporter and the field manager; `metrics` counts the Events that are dropped because there are too
 * many. Repeats that still wait when `signal` aborts are dropped without a count.
 */
export function createEventRecorder(
  client: KubeClient,
  component: string,
  metrics: { eventDropped(): void },
  deps: Deps,
  signal: AbortSignal,
): EventRecorder {
  const { clock, logger } = deps;
  /** Those that were recorded longest ago first. */
  const seriesByKey = new Map<string, Series>();
  const isAllowed = createAllowance(clock, limit, namespaceLimit);
  const isMinorAllowed = createAllowance(clock, minorLimit, minorNamespaceLimit);
  const mayWrite = (note: EventNote): boolean => (!note.isMinor || isMinorAllowed(note)) && isAllowed(note);

  async function write(series: Series): Promise<void> {
    series.quietUntil = clock.monotonic() + intervalMs;
    const event = eventOf(series, component);
    const written = await apply(client, resources.events, event, { fieldManager: component, signal });
    if ("error" in written)
      logger.warn("event not written", { reason: series.note.reason, error: written.error.message });
  }

  /** Writes now, or once when the minute since the last write is over. */
  async function schedule(series: Series): Promise<void> {
    if (series.isWaiting) return;
    series.isWaiting = true;
    try {
      await clock.sleep(Math.max(0, series.quietUntil - clock.monotonic()), signal);
      series.isWaiting = false;
      if (mayWrite(series.note)) await write(series);
      else metrics.eventDropped();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  function seriesFor(note: EventNote): Series {
    const key = [note.object.kind, objectKey(note.object), note.object.metadata.uid, note.reason].join(" ");
    const now = clock.now();
    forgetBefore(now - forgetMs);
    const series = seriesByKey.get(key) ?? newSeries(note, key, now);
    seriesByKey.delete(key);
    seriesByKey.set(key, series);
    return series;
  }

  function forgetBefore(time: number): void {
    for (const [key, { lastAt }] of seriesByKey) {
      if (lastAt >= time) return;
      seriesByKey.delete(key);
    }
  }

  return {
    record(note) {
      const series = seriesFor(note);
      series.count += 1;
      series.lastAt = clock.now();
      series.note = note;
      void schedule(series);
    },
  };
}

const maxNameLength = 253;

/** `key` and `now` make its name, which no other series has. */
function newSeries(note: EventNote, key: string, now: number): Series {
  const hash = createHash("sha256").update(`${key} ${now}`).digest("hex").slice(0, 16);
  const base = note.object.metadata.name.slice(0, maxNameLength - hash.length - 1).replace(/[-.]+$/, "");
  return {
    name: `${base}.${hash}`,
    firstAt: now,
    lastAt: now,
    quietUntil: 0,
    count: 0,
    note,
    isWaiting: false,
  };
}

/** Source: k8s.io/api/core/v1/types.go (Event). Events of cluster-scoped objects go to `default`. */
function eventOf(
  { name, firstAt, lastAt, count, note }: Series,
  component: string,
): KubeObject & Readonly<Record<string, unknown>> {
  const { kind, apiVersion, metadata } = note.object;
  const namespace = metadata.namespace ?? "default";
  return {
    apiVersion: apiVersionOf(resources.events),
    kind: resources.events.kind,
    metadata: { name, namespace },
    involvedObject: {
      kind,
      apiVersion,
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
    },
    type: note.type,
    reason: note.reason,
    message: note.message,
    count,
    firstTimestamp: rfc3339(firstAt),
    lastTimestamp: rfc3339(lastAt),
    source: { component },
    reportingComponent: component,
  };
}
