/** So many names that came one after the other are a part. */
const partSize = 128;

/**
 * A map in parts. A copy shares all of them until one of the two changes, and the two are compared part by part: of 10,000
 * services of which one has changed, 128 are copied and looked at, and 80 parts. The order is that of the first addition.
 */
export class PartedMap<V> implements ReadonlyMap<string, V> {
  /** By key, its part: the same for all copies, so it has keys that are gone too, until a copy leaves them out. */
  readonly #places: Map<string, number>;
  readonly #parts: (ReadonlyMap<string, V> | undefined)[];
  /** The parts that no other map has. */
  readonly #own = new Set<number>();
  #size = 0;

  constructor(
    places = new Map<string, number>(),
    parts: readonly (ReadonlyMap<string, V> | undefined)[] = [],
  ) {
    this.#places = places;
    this.#parts = [...parts];
    for (const part of parts) this.#size += part?.size ?? 0;
  }

  /** A map with the same content. Neither changes with the other. */
  copy(): PartedMap<V> {
    this.#own.clear();
    if (this.#places.size <= 2 * this.#size + partSize) return new PartedMap(this.#places, this.#parts);
    const copy = new PartedMap<V>();
    for (const [key, value] of this) copy.set(key, value);
    return copy;
  }

  set(key: string, value: V): void {
    const at = this.#places.get(key) ?? Math.floor(this.#places.size / partSize);
    this.#places.set(key, at);
    const part = this.#ownPart(at);
    this.#size -= part.size;
    part.set(key, value);
    this.#size += part.size;
  }

  delete(key: string): void {
    const at = this.#places.get(key);
    if (at === undefined || !this.has(key)) return;
    this.#ownPart(at).delete(key);
    this.#size--;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#partOf(key)?.get(key);
  }

  has(key: string): boolean {
    return this.#partOf(key)?.has(key) ?? false;
  }

  *entries(): MapIterator<[string, V]> {
    for (const part of this.#parts) if (part !== undefined) yield* part;
  }

  *keys(): MapIterator<string> {
    for (const part of this.#parts) if (part !== undefined) yield* part.keys();
  }

  *values(): MapIterator<V> {
    for (const part of this.#parts) if (part !== undefined) yield* part.values();
  }

  forEach(run: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this) run(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  /** The parts in which the other map may differ, of both: all, if neither is a copy of the other. */
  differentParts(
    other: PartedMap<V>,
  ): readonly (readonly [here: ReadonlyMap<string, V>, there: ReadonlyMap<string, V>])[] {
    if (this.#places !== other.#places) return [[this, other]];
    const count = Math.max(this.#parts.length, other.#parts.length);
    const none: ReadonlyMap<string, V> = new Map();
    return Array.from(
      { length: count },
      (_, at) => [this.#parts[at] ?? none, other.#parts[at] ?? none] as const,
    ).filter(([here, there]) => here !== there);
  }

  #partOf(key: string): ReadonlyMap<string, V> | undefined {
    const at = this.#places.get(key);
    return at === undefined ? undefined : this.#parts[at];
  }

  #ownPart(at: number): Map<string, V> {
    if (this.#own.has(at)) return this.#parts[at] as Map<string, V>;
    const part = new Map(this.#parts[at]);
    this.#parts[at] = part;
    this.#own.add(at);
    return part;
  }
}

/**
 * Every key of which the two maps do not have the very same value, with that of the second one; undefined = it has none. Of two
 * PartedMaps of which one is a copy of the other it looks only at what may differ.
 */
export function* differing<V>(
  before: ReadonlyMap<string, V>,
  after: ReadonlyMap<string, V>,
): Generator<readonly [key: string, value: V | undefined]> {
  if (before === after) return;
  const areParted = before instanceof PartedMap && after instanceof PartedMap;
  for (const [here, there] of areParted ? before.differentParts(after) : [[before, after] as const]) {
    let kept = 0;
    for (const [key, value] of there) {
      const known = here.get(key);
      if (known !== undefined) kept++;
      if (known !== value) yield [key, value];
    }
    if (kept === here.size) continue; // so none has gone
    for (const key of here.keys()) if (!there.has(key)) yield [key, undefined];
  }
}

/** Whether both maps have the very same values. */
export function isSameMap<V>(
  before: ReadonlyMap<string, V> | undefined,
  after: ReadonlyMap<string, V>,
): boolean {
  return before !== undefined && differing(before, after).next().done === true;
}
