import { type ObjectKey, objectKey } from "../../../src/kube/resources.ts";
import type { ApiType, Stored } from "./types.ts";

/** One committed write. */
export interface Change {
  readonly revision: number;
  readonly type: ApiType;
  /** undefined = it was created by this change. */
  readonly before: Stored | undefined;
  /** As it is now; of a deleted one, as it was last, with the resourceVersion of its deletion. */
  readonly object: Stored;
  readonly isDeletion: boolean;
}

/** All objects, one counter of revisions, and every change since the last compaction: what etcd is to the real server. */
export interface History {
  readonly revision: number;
  /** Changes up to here are forgotten. */
  readonly compacted: number;
  objects(type: ApiType): ReadonlyMap<ObjectKey, Stored>;
  /** Stores the object under the next revision, tells everybody who listens, and returns it. */
  put(type: ApiType, object: Stored): Stored;
  remove(type: ApiType, object: Stored): Stored;
  since(revision: number, type: ApiType): readonly Change[];
  compact(): void;
}

export function createHistory(listener: (change: Change) => void): History {
  const kinds = new Map<string, Map<ObjectKey, Stored>>();
  let changes: Change[] = [];
  let revision = 1;
  let compacted = 0;

  function all({ plural, group }: ApiType): Map<ObjectKey, Stored> {
    const key = `${plural}.${group}`;
    const objects = kinds.get(key) ?? new Map<ObjectKey, Stored>();
    kinds.set(key, objects);
    return objects;
  }

  function commit(type: ApiType, object: Stored, isDeletion: boolean): Stored {
    revision += 1;
    const key = objectKey(object);
    const before = all(type).get(key);
    const next = { ...object, metadata: { ...object.metadata, resourceVersion: `${revision}` } };
    if (isDeletion) all(type).delete(key);
    else all(type).set(key, next);
    const change = { revision, type, before, object: next, isDeletion };
    changes.push(change);
    listener(change);
    return next;
  }

  return {
    get revision() {
      return revision;
    },
    get compacted() {
      return compacted;
    },
    objects: all,
    put: (type, object) => commit(type, object, false),
    remove: (type, object) => commit(type, object, true),
    since: (from, type) => changes.filter((change) => change.revision > from && change.type === type),
    compact() {
      compacted = revision;
      changes = [];
    },
  };
}
