import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../runtime/deps.ts";
import { PartedMap } from "../../runtime/parted-map.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import { inParallel } from "../transport/parallel.ts";

/** Measured: more in flight is not faster and blocks the event loop longer. */
export const maxInFlight = 64;

/** How many nodes one probe asks for of each kind. Up to 400 are checked within 10 s, at 40 small reads a second. */
export const maxProbed = 200;

/**
 * Reads the value of a key, and calls `changed` once when another read could return something else. undefined = there
 * is nothing of that key. `before` is the value of the last read.
 */
type Read<T> = (key: string, changed: () => void, before: T | undefined) => Promise<T | undefined>;

/**
 * The values of nodes. Each is read once, and again only after its watch has fired. Errors: `sync` throws the errors
 * of reading.
 */
export class WatchedNodes<T> {
  readonly #read: Read<T>;
  readonly #changed: () => void;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #dropped: (key: string) => void;
  readonly #isDoubtful: (value: T) => boolean;
  /** What a watch of each key calls. It is one per key, so that readers of one path add up. */
  readonly #watches = new Map<string, () => void>();
  readonly #stale = new Set<string>();
  /** Those with a doubtful value, in the order of the last read. */
  readonly #doubtful = new Set<string>();
  #keys: ReadonlySet<string> = new Set();
  #values = new PartedMap<T>();
  #absent = new Set<string>();
  /** Those of the two that somebody has, so that they may not change any more. */
  readonly #handedOut = new Set<unknown>();

  /**
   * `changed` is called whenever `sync` has something to read, and `dropped` when a key is no longer of interest. No watch
   * tells when a value that `isDoubtful` becomes another one.
   */
  constructor(
    read: Read<T>,
    changed: () => void,
    clock: Pick<Clock, "monotonic">,
    isDoubtful: (value: T) => boolean = () => false,
    dropped: (key: string) => void = () => undefined,
  ) {
    this.#read = read;
    this.#changed = changed;
    this.#clock = clock;
    this.#isDoubtful = isDoubtful;
    this.#dropped = dropped;
  }

  /** Whether the next `sync` reads, even for the same keys. */
  get isStale(): boolean {
    return this.#stale.size > 0;
  }

  /** The values of the last reads. It is another map whenever one of them is; an equal value keeps its identity. */
  get values(): ReadonlyMap<string, T> {
    this.#handedOut.add(this.#values);
    return this.#values;
  }

  /** The keys of which there is nothing; another set whenever it differs. */
  get absent(): ReadonlySet<string> {
    this.#handedOut.add(this.#absent);
    return this.#absent;
  }

  /** Reads the keys that are new or have changed, and drops all others. The very same set costs almost nothing. */
  async sync(keys: ReadonlySet<string>): Promise<ReadonlyMap<string, T>> {
    if (keys !== this.#keys) await inSlices(this.#replace(keys), this.#clock);
    const due = [...this.#stale];
    this.#stale.clear();
    await inParallel(due, maxInFlight, (key) => this.#readKey(key));
    return this.values;
  }

  /** Makes the next `sync` read these keys again; those that are of no interest are ignored. */
  invalidate(keys: Iterable<string> = this.#keys): void {
    for (const key of keys) this.#fired(key);
  }

  /** Makes the next `sync` read doubtful values again; at most `maxProbed` of them, those first that were read longest ago. */
  retry(): void {
    this.invalidate([...this.#doubtful.values().take(maxProbed)]);
  }

  *#replace(keys: ReadonlySet<string>): Steps<void> {
    this.#keys = keys;
    for (const key of this.#watches.keys()) {
      if (!keys.has(key)) this.#drop(key);
      yield;
    }
    for (const key of keys) {
      if (!this.#watches.has(key)) this.#add(key);
      yield;
    }
  }

  #drop(key: string): void {
    this.#watches.delete(key);
    this.#stale.delete(key);
    this.#doubtful.delete(key);
    this.#put(key, undefined);
    this.#dropped(key);
  }

  #add(key: string): void {
    this.#watches.set(key, () => this.#fired(key));
    this.#stale.add(key);
  }

  async #readKey(key: string): Promise<void> {
    const watch = this.#watches.get(key);
    if (watch === undefined) return;
    const before = this.#values.get(key);
    const value = await this.#read(key, watch, before);
    this.#doubtful.delete(key);
    if (value !== undefined && this.#isDoubtful(value)) this.#doubtful.add(key);
    if (value === undefined || !isDeepStrictEqual(value, before)) this.#put(key, value);
  }

  #put(key: string, value: T | undefined): void {
    if (value !== undefined || this.#values.has(key)) {
      if (this.#handedOut.delete(this.#values)) this.#values = this.#values.copy();
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    const isAbsent = value === undefined && this.#watches.has(key);
    if (isAbsent === this.#absent.has(key)) return;
    if (this.#handedOut.delete(this.#absent)) this.#absent = new Set(this.#absent);
    if (isAbsent) this.#absent.add(key);
    else this.#absent.delete(key);
  }

  #fired(key: string): void {
    if (!this.#watches.has(key)) return;
    this.#stale.add(key);
    this.#changed();
  }
}
