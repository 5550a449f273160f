import type { KubeObject } from "../model/kubernetes.ts";
import { type ObjectKey, objectKey } from "./resources.ts";

/**
 * The newest known version of each object, fed by lists, watch events and the answers of our own writes in any order.
 * Nothing older ever replaces something newer, and no older message brings a deleted object back. The store compares
 * resourceVersions, which are revisions of one counter.
 * Source: KEP-5504 (comparable resource version), k8s.io/apiserver/pkg/storage/etcd3.
 */
export interface Store<T extends KubeObject> {
  readonly objects: ReadonlyMap<ObjectKey, T>;
  /** Everything up to this resourceVersion is known; undefined = never listed. */
  readonly resourceVersion: string | undefined;
  /** Takes a complete list: objects that it lacks are gone, unless they are newer. Returns the keys that changed. */
  replace(objects: readonly T[], resourceVersion: string): ReadonlySet<ObjectKey>;
  /** Takes an ADDED or MODIFIED event, or the answer of a write. Returns whether it was new. */
  put(object: T): boolean;
  /** Takes a DELETED event. Returns whether it was new. */
  delete(object: T): boolean;
  /**
   * Records our own delete of exactly this object: it is gone now, and its uid is ignored until its DELETED event or
   * the next list.
   */
  remove(object: KubeObject): boolean;
  /** Records that the watch has seen everything up to here. */
  advance(resourceVersion: string): void;
}

export function createStore<T extends KubeObject>(): Store<T> {
  const objects = new Map<ObjectKey, T>();
  const removedUids = new Set<string>();
  let known: string | undefined;

  function put(object: T): boolean {
    const key = objectKey(object);
    const { uid, resourceVersion } = object.metadata;
    if (uid !== undefined && removedUids.has(uid)) return false;
    const newest = objects.get(key)?.metadata.resourceVersion ?? known;
    if (newest !== undefined && !isNewer(resourceVersion, newest)) return false;
    objects.set(key, object);
    return true;
  }

  return {
    objects,
    get resourceVersion() {
      return known;
    },
    replace(listed, resourceVersion) {
      const changed = new Set<ObjectKey>();
      // A list is never older than what was seen, unless somebody restored etcd from a backup; then no versions
      // compare.
      const restored = isNewer(known, resourceVersion);
      const listedKeys = new Set(listed.map(objectKey));
      for (const [key, { metadata }] of objects)
        if (restored || (!listedKeys.has(key) && !isNewer(metadata.resourceVersion, resourceVersion))) {
          objects.delete(key);
          changed.add(key);
        }
      const listedUids = new Set(listed.map(({ metadata }) => metadata.uid));
      for (const uid of removedUids) if (restored || !listedUids.has(uid)) removedUids.delete(uid);
      known = undefined;
      for (const object of listed) if (put(object)) changed.add(objectKey(object));
      known = resourceVersion;
      return changed;
    },
    put,
    delete(object) {
      if (object.metadata.uid !== undefined) removedUids.delete(object.metadata.uid);
      const key = objectKey(object);
      if (isNewer(objects.get(key)?.metadata.resourceVersion, object.metadata.resourceVersion)) return false;
      return objects.delete(key);
    },
    remove(object) {
      const { uid } = object.metadata;
      const key = objectKey(object);
      if (uid === undefined || objects.get(key)?.metadata.uid !== uid) return false;
      removedUids.add(uid);
      return objects.delete(key);
    },
    advance(resourceVersion) {
      if (isNewer(resourceVersion, known)) known = resourceVersion;
    },
  };
}

/** undefined is older than everything. */
function isNewer(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined) return false;
  return other === undefined || BigInt(one) > BigInt(other);
}
