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
  /**
   * Takes a complete list of what is kept of each object: objects that it lacks are gone, unless they are newer. Returns the
   * keys that changed.
   */
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

/** @param keep what is kept of an object that is news; `objectKey`, uid and resourceVersion stay as they are. */
export function createStore<T extends KubeObject>(keep: (object: T) => T = asItIs): Store<T> {
  const objects = new Map<ObjectKey, T>();
  const removedUids = new Set<string>();
  let known: string | undefined;

  function isNews({ uid, resourceVersion }: KubeObject["metadata"], key: ObjectKey): boolean {
    if (uid !== undefined && removedUids.has(uid)) return false;
    const newest = objects.get(key)?.metadata.resourceVersion ?? known;
    return newest === undefined || isNewer(resourceVersion, newest);
  }

  function put(object: T, kept: (object: T) => T): boolean {
    const key = objectKey(object);
    if (!isNews(object.metadata, key)) return false; // as the watch's event about each of our own writes
    objects.set(key, kept(object));
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
      for (const object of listed) if (put(object, asItIs)) changed.add(objectKey(object));
      known = resourceVersion;
      return changed;
    },
    put: (object) => put(object, keep),
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

const asItIs = <T>(object: T): T => object;

/** undefined is older than everything. */
function isNewer(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined) return false;
  return other === undefined || BigInt(one) > BigInt(other);
}
