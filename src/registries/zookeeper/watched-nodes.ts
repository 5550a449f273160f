import { isDeepStrictEqual } from "node:util";
import { inParallel } from "../transport/parallel.ts";

/** Measured: more in flight is not faster and blocks the event loop longer. */
export const maxInFlight = 64;

/** Reads the value of a key, and calls `changed` once when another read could return something else. */
type Read<T> = (key: string, changed: () => void) => Promise<T>;

/**
 * The values of nodes. Each is read once, and again only after its watch has fired. Errors: `sync` throws the errors
 * of reading.
 */
export class WatchedNodes<T> {
  readonly #read: Read<T>;
  readonly #changed: () => void;
  readonly #values = new Map<string, T>();
  readonly #stale = new Set<string>();
  #kept: ReadonlySet<string> = new Set();
  #version = 0;

  /** `changed` is called whenever `sync` has something to read. */
  constructor(read: Read<T>, changed: () => void) {
    this.#read = read;
    this.#changed = changed;
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }

  /** The value of the last read. An equal value keeps its identity. */
  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  /** Differs whenever a value has changed, appeared or disappeared. */
  get version(): number {
    return this.#version;
  }

  /** Reads the keys that are new or have changed, and drops all others. The very same set costs almost nothing. */
  async sync(keys: ReadonlySet<string>): Promise<void> {
    const due = keys === this.#kept ? [...this.#stale].filter((key) => keys.has(key)) : this.#replace(keys);
    this.#stale.clear();
    await inParallel(due, maxInFlight, async (key) => {
      const value = await this.#read(key, () => this.#fired(key));
      if (this.#values.has(key) && isDeepStrictEqual(value, this.#values.get(key))) return;
      this.#values.set(key, value);
      this.#version++;
    });
  }

  /** Drops values whose key is not in `keys`. Returns the keys to read. */
  #replace(keys: ReadonlySet<string>): readonly string[] {
    this.#kept = keys;
    for (const key of this.#values.keys()) {
      if (keys.has(key)) continue;
      this.#values.delete(key);
      this.#version++;
    }
    return [...keys].filter((key) => this.#stale.has(key) || !this.#values.has(key));
  }

  /** Makes the next `sync` re-read the values that `isDue` selects; at most `limit` of them. */
  invalidate(isDue: (value: T) => boolean = () => true, limit = Number.POSITIVE_INFINITY): void {
    const due = [...this.#values].filter(([, value]) => isDue(value)).slice(0, limit);
    for (const [key] of due) this.#stale.add(key);
    if (due.length > 0) this.#changed();
  }

  #fired(key: string): void {
    this.#stale.add(key);
    this.#changed();
  }
}
