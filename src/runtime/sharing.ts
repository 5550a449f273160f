/**
 * Returns a function that replaces each value by a copy of the first one with equal JSON, so that memory holds equal values
 * once instead of a hundred thousand times, and not the text that they were cut out of (V8 keeps all of it). What comes after `max` different values may equal an earlier one all the same.
 */
export function sharing<T>(max = Infinity): (value: T) => T {
  const known = new Map<string, T>();
  return (value) => {
    const key = JSON.stringify(value);
    const first = known.get(key) ?? (JSON.parse(key) as T);
    if (known.size >= max && !known.has(key)) known.clear();
    known.set(key, first);
    return first;
  };
}
