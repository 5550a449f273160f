import { EntryIndex } from "../controllers/writes/entry-index.ts";
import type { Tools } from "../controllers/writes/object-writer.ts";
import { applied } from "../kube/apply-locally.ts";
import type { KubeClient, KubeRequest } from "../kube/client.ts";
import type { EventNote } from "../kube/events.ts";
import type { ObjectStore } from "../kube/reflector.ts";
import { objectKey } from "../kube/resources.ts";
import type { Ms } from "../model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../model/istio.ts";
import type { KubeObject, Stored } from "../model/kubernetes.ts";
import type { RegistryHub } from "../model/registryhub.ts";
import type { Deps } from "../runtime/deps.ts";

/** The objects of a cluster that the operator's workers read. */
export interface Cluster {
  readonly hubs: readonly Stored<RegistryHub>[];
  /** Those of all namespaces, because their hosts, names and addresses are taken. */
  readonly serviceEntries: readonly Stored<ServiceEntry>[];
  /** Of all namespaces, or of the root namespace where nobody may list the others. */
  readonly envoyFilters: readonly Stored<EnvoyFilter>[];
  /** Those in which objects can be created; absent = nobody may tell. */
  readonly namespaces?: ReadonlySet<string> | undefined;
}

/** A cluster without any of the operator's objects. */
export const emptyCluster: Cluster = { hubs: [], serviceEntries: [], envoyFilters: [] };

/** One object before and after; undefined = it does not exist. */
export interface Change<T extends KubeObject = KubeObject> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** A store of a copy. */
export interface StoreCopy<T extends KubeObject> extends ObjectStore<T> {
  /** The differences from the cluster, by key. */
  changes(): readonly Change<T>[];
  /** Called after each change with the changed key. */
  onChange: (key: string) => void;
}

/** A copy of a cluster for the operator's own workers. It takes their writes, and nothing reaches the cluster. */
export interface ClusterCopy extends Pick<Cluster, "hubs" | "namespaces"> {
  readonly serviceEntries: StoreCopy<Stored<ServiceEntry>>;
  readonly envoyFilters: StoreCopy<Stored<EnvoyFilter>>;
  readonly entries: EntryIndex;
  /** The tools of a worker. Only `pass` advances the monotonic clock. */
  readonly tools: Tools;
  /** The warnings among the Events that the workers would have written, each once. */
  notes(): readonly EventNote[];
  pass(ms: Ms): void;
}

/** The copy equals the cluster until a worker writes. */
export function copyOf(cluster: Cluster, deps: Deps): ClusterCopy {
  const { hubs, namespaces, serviceEntries, envoyFilters } = cluster;
  const held = { ServiceEntry: heldCopy(serviceEntries), EnvoyFilter: heldCopy(envoyFilters) };
  const entries = new EntryIndex(held.ServiceEntry.objects);
  for (const key of held.ServiceEntry.objects.keys()) entries.update(key);
  held.ServiceEntry.onChange = (key) => void entries.update(key);
  const notes = new Map<string, EventNote>();
  let now = deps.clock.monotonic();
  return {
    hubs,
    namespaces,
    serviceEntries: held.ServiceEntry,
    envoyFilters: held.EnvoyFilter,
    entries,
    tools: {
      client: clientOf(held),
      events: {
        record(note) {
          if (note.type === "Warning") notes.set(`${note.reason} ${objectKey(note.object)}`, note);
        },
      },
      metrics: silentMetrics,
      deps: { ...deps, clock: { ...deps.clock, monotonic: () => now } },
      signal: new AbortController().signal,
      recall: () => undefined,
    },
    notes: () => [...notes.values()],
    pass(ms) {
      now += ms;
    },
  };
}

function heldCopy<T extends KubeObject>(listed: readonly T[]): StoreCopy<T> {
  const before = new Map(listed.map((object) => [objectKey(object), object]));
  const objects = new Map(before);
  const copy: StoreCopy<T> = {
    objects,
    onChange: () => undefined,
    changes: () =>
      [...new Set([...before.keys(), ...objects.keys()])]
        .map((key) => ({ before: before.get(key), after: objects.get(key) }))
        .filter(({ before: one, after: other }) => one !== other),
    put(object) {
      objects.set(objectKey(object), object);
      copy.onChange(objectKey(object));
    },
    remove(object) {
      objects.delete(objectKey(object));
      copy.onChange(objectKey(object));
    },
  };
  return copy;
}

/** Answers writes as the API server would; the worker then stores the answers. */
function clientOf(held: Readonly<Record<string, ObjectStore<KubeObject>>>): KubeClient {
  const answer = ({ method, body, query = {} }: KubeRequest): KubeObject | { readonly kind: "Status" } => {
    if (method === "DELETE") return { kind: "Status" };
    const { fieldManager = "" } = query;
    const desired = body as KubeObject;
    const actual = held[desired.kind ?? ""]?.objects.get(objectKey(desired));
    const { resourceVersion: _, ...metadata } = desired.metadata; // a precondition, and no part of the object
    return applied({ ...desired, metadata }, actual, fieldManager);
  };
  return {
    request: <T>(request: KubeRequest) => Promise.resolve(answer(request) as T),
    stream: () => Promise.reject(new Error("a copy of a cluster cannot be watched")),
    close: () => Promise.resolve(),
  };
}

const silentMetrics: Tools["metrics"] = {
  leads: () => undefined,
  wrote: () => undefined,
  wroteBytes: () => undefined,
  repaired: () => undefined,
  eventDropped: () => undefined,
  queueDepth: () => undefined,
  sliceBegins: () => () => undefined,
  propagated: () => undefined,
  internalError: () => undefined,
  beforeRender: () => undefined,
  render: () => Promise.resolve(""),
};
