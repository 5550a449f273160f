/**
 * Returns what gives, for each value, the first one that was equal to it as JSON: what differs in little need not be in
 * memory a hundred thousand times.
 */
export function sharing<T>(): (value: T) => T {
  const known = new Map<string, T>();
  return (value) => {
    const key = JSON.stringify(value);
    const first = known.get(key) ?? value;
    known.set(key, first);
    return first;
  };
}
