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
  readonly #words = new Map<string, Word>();
  /** By port, how many entries want it, and how many do not. */
  readonly #counts = new Map<number, { wanting: number; refusing: number }>();
  #reading: Promise<void> | undefined;

  constructor(rules: EjectionRules) {
    this.#rules = rules;
  }

  /** Reads all entries, once: they count before each has had its turn, or a restart would change filters. */
  read(
    entries: () => Iterable<string>,
    wordOf: (entry: string) => Word | undefined,
    clock: Pick<Clock, "monotonic">,
  ): Promise<void> {
    const all = function* (this: PortEjection): Steps<void> {
      for (const entry of Array.from(entries())) {
        try {
          this.saw(entry, wordOf(entry));
        } catch {
          // A bug that the work on this very entry meets and reports, and that is none of the others' business.
        }
        yield;
      }
    };
    this.#reading ??= inSlices(all.call(this), clock);
    return this.#reading;
  }

  /** Records what an entry says now; undefined = it has no route that counts. Returns the ports whose answer is another one. */
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
    const count = this.#counts.get(port) ?? { wanting: 0, refusing: 0 };
    this.#counts.set(port, count);
    count[outlierDetection ? "wanting" : "refusing"] += by;
    if (count.wanting + count.refusing === 0) this.#counts.delete(port);
  }
}
