import type { FieldSet, KubeObject } from "../model/kubernetes.ts";
import { isCovered, isObject, keyOf, listMapKeys } from "./covered.ts";

/**
 * The object that `apply` would make of `actual`. Desired fields get their desired values. Fields that the manager
 * set before and leaves out now go, unless others set them too. All other fields stay. Counters and times of the API
 * server do not change.
 */
export function applied<T extends KubeObject>(desired: T, actual: T | undefined, fieldManager: string): T {
  if (actual === undefined) return desired;
  const sets = (actual.metadata.managedFields ?? []).filter((one) => one.subresource === undefined);
  const isOurs = (one: (typeof sets)[number]): boolean =>
    one.manager === fieldManager && one.operation === "Apply";
  const ours = sets.find(isOurs)?.fieldsV1 ?? {};
  const others = sets.flatMap((one) => (isOurs(one) ? [] : (one.fieldsV1 ?? [])));
  return merged(withoutDropped(actual, desired, ours, others), desired) as T;
}

/** `actual` without the fields that are in `ours`, in none of `others`, and no longer desired. */
function withoutDropped(
  actual: unknown,
  desired: unknown,
  ours: FieldSet,
  others: readonly FieldSet[],
): unknown {
  if (Array.isArray(actual))
    return actual.filter((one) => !keysOf(ours).some((keys) => isDropped(keys, one, desired, others)));
  if (!isObject(actual)) return actual;
  const kept = Object.entries(actual).flatMap(([name, value]) => {
    const [own, theirs] = [ours[`f:${name}`], others.flatMap((set) => set[`f:${name}`] ?? [])];
    const wanted = isObject(desired) ? desired[name] : undefined;
    if (own === undefined) return [[name, value]];
    if (Object.keys(own).length > 0) return [[name, withoutDropped(value, wanted, own, theirs)]];
    return wanted === undefined && theirs.length === 0 ? [] : [[name, value]];
  });
  return Object.fromEntries(kept);
}

/** Whether these keys identify the element of a keyed list, and only we ever wanted it. */
function isDropped(keys: unknown, element: unknown, desired: unknown, others: readonly FieldSet[]): boolean {
  const isWanted = Array.isArray(desired) && desired.some((one) => isCovered(keys, one));
  const isTheirs = others.some((set) => keysOf(set).some((other) => isCovered(other, element)));
  return isCovered(keys, element) && !isWanted && !isTheirs;
}

const keysOf = (set: FieldSet): readonly unknown[] =>
  Object.keys(set).flatMap((path) => (path.startsWith("k:") ? [JSON.parse(path.slice(2)) as unknown] : []));

/** The desired fields on top of the actual ones. A list is one value unless it has keys. */
function merged(actual: unknown, desired: unknown, path = ""): unknown {
  if (isObject(actual) && isObject(desired)) {
    const fields = Object.entries(desired).filter(([, value]) => value !== undefined);
    const at = (field: string): string => (path === "" ? field : `${path}.${field}`);
    return {
      ...actual,
      ...Object.fromEntries(fields.map(([field, value]) => [field, merged(actual[field], value, at(field))])),
    };
  }
  const key = listMapKeys[path];
  if (key === undefined || !Array.isArray(actual) || !Array.isArray(desired)) return desired;
  const isSame = (one: unknown) => (other: unknown) => keyOf(one, key) === keyOf(other, key);
  return [
    ...actual.map((one: unknown) => merged(one, desired.find(isSame(one)) ?? one)),
    ...desired.filter((one: unknown) => !actual.some(isSame(one))),
  ];
}
