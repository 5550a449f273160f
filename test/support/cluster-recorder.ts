import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { eventually } from "./eventually.ts";

/** The kinds that the operator writes. */
export type RecordedKind = "registryhubs" | "serviceentries" | "envoyfilters";

/** One write that reached etcd. */
export interface Change {
  /** Date.now() when it was seen here, a few ms after it happened. */
  readonly at: number;
  readonly kind: RecordedKind;
  readonly name: string;
  /** As it was written; undefined = deleted. */
  readonly object: KubeObject | undefined;
}

/**
 * Sees every state that the cluster's objects ever have, in order: it watches etcd and not the API server, so neither an
 * API server that is down nor two changes in one moment can hide anything from it.
 */
export interface ClusterRecorder extends AsyncDisposable {
  /** Of one namespace, oldest first. @throws Error once the watch has ended: then something may be missing. */
  changes(namespace: string): readonly Change[];
  /** The objects of a kind as they are now, by name. @throws Error as `changes`. */
  objects<T extends KubeObject>(namespace: string, kind: RecordedKind): ReadonlyMap<string, T>;
  /** Returns once everything that had been written when it was called has been seen. */
  caughtUp(): Promise<void>;
}

/** As etcd's JSON gateway prints it; bytes are base64. Source: go.etcd.io/etcd/api/v3/etcdserverpb/rpc.proto, mvccpb/kv.proto. */
interface WatchAnswer {
  readonly result?: {
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly events?: readonly {
      readonly type?: "DELETE"; // absent = PUT
      readonly kv: { readonly key: string; readonly value?: string };
    }[];
  };
}

const MARKER_KEY = "/recorder";
const CATCH_UP_MS = 10_000;
// kube-apiserver's --etcd-prefix, and below it group, plural, namespace, name. Custom resources are stored as JSON.
const OBJECT_KEY =
  /^\/registry\/[^/]+\/(?<kind>registryhubs|serviceentries|envoyfilters)\/(?<namespace>[^/]+)\/(?<name>[^/]+)$/;

const encode = (text: string): string => Buffer.from(text).toString("base64");
const decode = (base64: string): string => Buffer.from(base64, "base64").toString();

/** Records from now on. */
export async function recordCluster(etcdUrl: string): Promise<ClusterRecorder> {
  const stopping = new AbortController();
  const byNamespace = new Map<string, Change[]>();
  let marker = 0;
  let seenMarker = 0;
  let isWatching = false;
  let ended: Error | undefined;

  const take = (key: string, value: string | undefined): void => {
    if (key === MARKER_KEY) seenMarker = Math.max(seenMarker, Number(value)); // two at once may come in any order
    const { kind, namespace = "", name = "" } = OBJECT_KEY.exec(key)?.groups ?? {};
    if (kind === undefined) return;
    const object = value === undefined ? undefined : (JSON.parse(value) as KubeObject);
    const changes = byNamespace.get(namespace) ?? [];
    byNamespace.set(namespace, changes);
    changes.push({ at: Date.now(), kind: kind as RecordedKind, name, object });
  };
  const read = async (): Promise<void> => {
    // One watch on everything, so that the marker comes in order with the objects. "0" follows "/" in ASCII.
    const body = { create_request: { key: encode("/"), range_end: encode("0") } };
    const answers = await post(`${etcdUrl}/v3/watch`, body, stopping.signal);
    for await (const line of createInterface({ input: Readable.fromWeb(answers) })) {
      const { result } = JSON.parse(line) as WatchAnswer;
      if (result === undefined || result.canceled) throw new Error(`etcd ended the watch: ${line}`);
      isWatching ||= result.created === true;
      for (const { type, kv } of result.events ?? []) {
        take(decode(kv.key), type === "DELETE" ? undefined : decode(kv.value ?? ""));
      }
    }
    throw new Error("etcd ended the watch");
  };
  const reading = read().catch((cause: unknown) => {
    ended = new Error("the recorder's watch of etcd has ended", { cause });
  });
  const changesOf = (namespace: string): readonly Change[] => {
    if (ended) throw ended;
    return byNamespace.get(namespace) ?? [];
  };

  await eventually(() => {
    if (ended) throw ended;
    if (!isWatching) throw new Error("etcd has not confirmed the watch");
  }, CATCH_UP_MS);
  return {
    changes: changesOf,
    objects<T extends KubeObject>(namespace: string, kind: RecordedKind) {
      const objects = new Map<string, T>();
      for (const change of changesOf(namespace)) {
        if (change.kind !== kind) continue;
        if (change.object === undefined) objects.delete(change.name);
        else objects.set(change.name, change.object as T);
      }
      return objects;
    },
    async caughtUp() {
      marker++;
      const awaited = marker;
      const body = { key: encode(MARKER_KEY), value: encode(`${awaited}`) };
      await (await post(`${etcdUrl}/v3/kv/put`, body, stopping.signal)).cancel();
      await eventually(
        () => {
          if (ended) throw ended;
          if (seenMarker < awaited) throw new Error(`the recorder is at marker ${seenMarker} of ${awaited}`);
        },
        CATCH_UP_MS,
        5,
      );
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await reading;
    },
  };
}

async function post(url: string, body: object, signal: AbortSignal) {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body), signal });
  if (!response.ok || response.body === null)
    throw new Error(`etcd: POST ${url} answered ${response.status}: ${await response.text()}`);
  return response.body;
}
