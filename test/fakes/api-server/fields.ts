import { isDeepStrictEqual } from "node:util";
import type { FieldSet } from "../../../src/model/kubernetes.ts";
import type { ApiType } from "./types.ts";

/**
 * One field as fieldsV1 names it: `f:<name>` of an object, `k:{"<key>":"<value>"}` of a keyed list, with `.` for the element
 * itself. Source: sigs.k8s.io/structured-merge-diff, k8s.io/apimachinery/pkg/apis/meta/v1 FieldsV1.
 */
export type FieldPath = string;

/** No name has it: JSON escapes it, and YAML keys of this project have none. */
const separator = "\n";

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** As it comes out of a connection: what one side keeps is never the other's, and what is undefined is not there. */
export function copied(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

const elementOf = (key: string, element: unknown): string =>
  `k:${JSON.stringify({ [key]: isObject(element) ? element[key] : undefined })}`;

const below = (dotted: string, field: string): string => (dotted === "" ? field : `${dotted}.${field}`);

/** Every field of a value that one can own: leaves, and the elements of keyed lists. */
export function fieldsOf(
  type: ApiType,
  value: unknown,
  path: readonly string[] = [],
  dotted = "",
): FieldPath[] {
  const own = path.join(separator);
  if (isObject(value) && Object.keys(value).length > 0 && !type.atomicMaps.includes(dotted))
    return Object.entries(value).flatMap(([field, child]) =>
      fieldsOf(type, child, [...path, `f:${field}`], below(dotted, field)),
    );
  const key = type.listKeys[dotted];
  if (key === undefined || !Array.isArray(value)) return path.length === 0 ? [] : [own];
  return value.flatMap((element: unknown) => {
    const at = [...path, elementOf(key, element)];
    return [[...at, "."].join(separator), ...fieldsOf(type, element, at, `${dotted}[]`)];
  });
}

/** What is at a path; undefined = nothing. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let found = value;
  for (const step of path.split(separator)) {
    if (step === ".") return found === undefined ? undefined : true;
    if (step.startsWith("f:")) found = isObject(found) ? found[step.slice(2)] : undefined;
    else found = Array.isArray(found) ? found.find((one: unknown) => isElement(step, one)) : undefined;
  }
  return found;
}

const isElement = (step: string, element: unknown): boolean =>
  Object.entries(JSON.parse(step.slice(2)) as Json).every(
    ([key, value]) => isObject(element) && isDeepStrictEqual(element[key], value),
  );

/** The value without what is at a path; a map or an object that has nothing else goes with it. */
export function without(value: unknown, path: FieldPath): unknown {
  return removed(value, path.split(separator));
}

function removed(value: unknown, [step = "", ...rest]: readonly string[]): unknown {
  if (step.startsWith("k:") && Array.isArray(value)) {
    const [next] = rest;
    if (next === ".") return value.filter((one: unknown) => !isElement(step, one));
    return value.map((one: unknown) => (isElement(step, one) ? removed(one, rest) : one));
  }
  const field = step.slice(2);
  if (!isObject(value) || !(field in value)) return value;
  const { [field]: old, ...others } = value;
  if (rest.length === 0) return others;
  const left = removed(old, rest);
  return isObject(left) && Object.keys(left).length === 0 && isObject(old) && Object.keys(old).length > 0
    ? others
    : { ...others, [field]: left };
}

/** `desired` on top of `live`: maps are merged, keyed lists element by element, all else is one value. */
export function merged(type: ApiType, live: unknown, desired: unknown, dotted = ""): unknown {
  if (isObject(live) && isObject(desired) && !type.atomicMaps.includes(dotted)) {
    const fields = Object.entries(desired).map(([field, value]) => [
      field,
      merged(type, live[field], value, below(dotted, field)),
    ]);
    return { ...live, ...(Object.fromEntries(fields) as Json) };
  }
  const key = type.listKeys[dotted];
  if (key === undefined || !Array.isArray(live) || !Array.isArray(desired)) return desired;
  const [had, wanted] = [live as unknown[], desired as unknown[]];
  const same = (one: unknown) => (other: unknown) => elementOf(key, one) === elementOf(key, other);
  return [
    ...had.map((one) => {
      const other = wanted.find(same(one));
      return other === undefined ? one : merged(type, one, other, `${dotted}[]`);
    }),
    ...wanted.filter((one) => !had.some(same(one))),
  ];
}

/** As managedFields carries it. */
export function toFieldSet(paths: Iterable<FieldPath>): FieldSet {
  const root: Record<string, unknown> = {};
  for (const path of [...paths].sort()) {
    let at = root;
    for (const step of path.split(separator)) {
      at[step] ??= {};
      at = at[step] as Record<string, unknown>;
    }
  }
  return root as FieldSet;
}

/** The reverse. */
export function toPaths(set: FieldSet, path: readonly string[] = []): FieldPath[] {
  const steps = Object.entries(set);
  if (steps.length === 0) return path.length === 0 ? [] : [path.join(separator)];
  return steps.flatMap(([step, child]) => toPaths(child, [...path, step]));
}

/** ".spec.resolution", ".spec.ports[name=\"http\"].number": as the server's messages write a field. */
export function dottedPath(path: FieldPath): string {
  const steps = path.split(separator).filter((step) => step !== ".");
  return steps
    .map((step) => {
      if (step.startsWith("f:")) return `.${step.slice(2)}`;
      const keys = Object.entries(JSON.parse(step.slice(2)) as Json);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}

/** Whether one of the paths is this one or lies below it. */
export function hasWithin(paths: ReadonlySet<FieldPath>, path: FieldPath): boolean {
  const prefix = path.endsWith(`${separator}.`) ? path.slice(0, -1) : `${path}${separator}`;
  if (paths.has(path)) return true;
  for (const one of paths) if (one.startsWith(prefix)) return true;
  return false;
}
