/**
 * The lists that Istio's CRDs merge by a key, so that others' elements may coexist with ours. Any other list is one
 * value.
 */
export const listMapKeys: Readonly<Record<string, string>> = { "spec.ports": "name" };

/**
 * Whether applying `desired` would leave `actual` unchanged: it has every desired field with an equal value.
 * Additions of others (fields, labels, elements of keyed lists) do not count.
 */
export function isCovered(desired: unknown, actual: unknown, path = ""): boolean {
  if (Array.isArray(desired)) return isListCovered(desired, actual, path);
  if (!isObject(desired)) return Object.is(desired, actual);
  if (!isObject(actual)) return false;
  return Object.entries(desired).every(
    ([field, value]) =>
      value === undefined || isCovered(value, actual[field], path === "" ? field : `${path}.${field}`),
  );
}

function isListCovered(desired: readonly unknown[], actual: unknown, path: string): boolean {
  if (!Array.isArray(actual)) return false;
  const key = listMapKeys[path];
  if (key === undefined) return areEqual(desired, actual);
  return desired.every((element) =>
    actual.some(
      (other) => keyOf(element, key) === keyOf(other, key) && isCovered(element, other, `${path}[]`),
    ),
  );
}

/** Inside a list that is one value, an additional field is a difference. */
function areEqual(one: unknown, other: unknown): boolean {
  if (Array.isArray(one))
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((each, at) => areEqual(each, other[at]))
    );
  if (!isObject(one)) return Object.is(one, other);
  if (!isObject(other)) return false;
  const fields = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...fields].every((field) => areEqual(one[field], other[field]));
}

/** Whether it is a JSON object. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value of an element's key. */
export const keyOf = (element: unknown, key: string): unknown =>
  isObject(element) ? element[key] : undefined;
