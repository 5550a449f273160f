import { isPortAllowed, type PortRules } from "../../model/port-rules.ts";
import type { Clock } from "../../runtime/deps.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import type { DubboRoute } from "../../translate/envoy-filter.ts";

export interface EjectionRules {
  /** false = nowhere. */
  readonly outlierDetection: boolean;
  /** On other ports somebody else may be at home, and his clusters are none of the operator's business. */
  readonly dubboPorts: PortRules;
}

/** What an entry says about its port. */
type Word = Pick<DubboRoute, "port" | "outlierDetection">;

/** On which ports proxies eject endpoints that cannot be reached: all that have a route whose hubs do not say no. */
export class PortEjection {
  readonly #rules: EjectionRules;
  readonly #entries: () => Iterable<string>;
  readonly #wordOf: (entry: string) => Word | undefined;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #words = new Map<string, Word>();
  /** By port, how many entries have a route, and how many of them want it. */
  readonly #counts = new Map<number, { routes: number; wanting: number }>();
  #reading: Promise<void> | undefined;

  /** @param wordOf what an entry says; undefined = it has no route that counts. */
  constructor(
    rules: EjectionRules,
    entries: () => Iterable<string>,
    wordOf: (entry: string) => Word | undefined,
    clock: Pick<Clock, "monotonic">,
  ) {
    this.#rules = rules;
    this.#entries = entries;
    this.#wordOf = wordOf;
    this.#clock = clock;
  }

  /** Reads all entries, once: they count before each has had its turn, or a restart would change filters. */
  read(): Promise<void> {
    this.#reading ??= inSlices(this.#readAll(), this.#clock);
    return this.#reading;
  }

  *#readAll(): Steps<void> {
    for (const entry of Array.from(this.#entries())) {
      try {
        this.saw(entry, this.#wordOf(entry));
      } catch {
        // A bug that the work on this very entry meets and reports, and that is none of the others' business.
      }
      yield;
    }
  }

  /** Records what an entry says now. Returns the ports whose answer is another one. */
  saw(entry: string, word: Word | undefined): readonly number[] {
    const before = this.#words.get(entry);
    if (before?.port === word?.port && before?.outlierDetection === word?.outlierDetection) return [];
    const ports = [...new Set([before, word].flatMap((one) => one?.port ?? []))];
    const was = ports.map((port) => this.isOn(port));
    if (before) this.#count(before, -1);
    if (word) this.#count(word, 1);
    if (word) this.#words.set(entry, { port: word.port, outlierDetection: word.outlierDetection });
    else this.#words.delete(entry);
    return ports.filter((port, at) => this.isOn(port) !== was[at]);
  }

  /** undefined = no route is known, and nothing has to change. */
  isOn(port: number): boolean | undefined {
    if (!this.#rules.outlierDetection || !isPortAllowed(port, this.#rules.dubboPorts)) return false;
    const count = this.#counts.get(port);
    return count && count.wanting > 0;
  }

  #count({ port, outlierDetection }: Word, by: 1 | -1): void {
    const count = this.#counts.get(port) ?? { routes: 0, wanting: 0 };
    this.#counts.set(port, count);
    count.routes += by;
    if (outlierDetection) count.wanting += by;
    if (count.routes === 0) this.#counts.delete(port);
  }
}
