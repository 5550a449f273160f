import { RegistryError } from "../../model/errors.ts";
import { every } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { type ConsulApi, checksIn, type IndexedAnswer } from "./api.ts";
import { createThrottle } from "./connection-retry.ts";
import { type Checks, changedBetween } from "./decode.ts";

const checksWaitSeconds = 45;
/** Everything is re-read after this time, whatever the notifications say. */
const fullReadMs = 60_000;
/** Reading takes at most a quarter of the time; 1,000 services take 0.6 s. Source: measured on 1.22.3. */
const pausePerReadTime = 3;
/** A reading that waited for free connections took long without being a load. */
const maxPauseMs = 5_000;
/** So many services of a round are read before those that changed have their turn again. */
const sliceOfRound = 64;

/** The services without a query of their own, and how to read them. */
export interface PolledServicesOptions {
  readonly names: () => readonly string[];
  readonly isOn: (service: string, nodes: ReadonlySet<string>) => boolean;
  /** Reads these services at once. @throws RegistryError. */
  readonly readAll: (names: readonly string[]) => Promise<void>;
}

/**
 * Follows the services without a query of their own, from `run` until `signal` aborts. The catalog's index says that
 * something was registered, but not what. Instances usually have checks, so the checks that appeared or disappeared tell
 * which services to read first. A round over all of them finds the rest a little later.
 */
export class PolledServices {
  readonly #api: ConsulApi;
  readonly #options: PolledServicesOptions;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  #checks: Checks = new Map();
  #areChecksTooMany = false;
  /** The lists are large, so they are read one by one, and whoever has to wait waits for the same one. */
  #reading: Promise<void> = Promise.resolve();
  #nextReading: Promise<void> | undefined;
  /** To be read next, and what is left of the round. */
  readonly #changed = new Set<string>();
  #round: readonly string[] = [];
  #isRoundDue = true;
  #due = Promise.withResolvers<void>();

  constructor(api: ConsulApi, options: PolledServicesOptions, deps: Deps, signal: AbortSignal) {
    this.#api = api;
    this.#options = options;
    this.#deps = deps;
    this.#signal = signal;
  }

  /** @throws RegistryError; the signal's reason. */
  async run(): Promise<void> {
    every(
      this.#deps.clock,
      () => fullReadMs,
      () => this.#beginRound(),
      this.#signal,
    );
    this.#signal.addEventListener("abort", () => this.#due.resolve(), { once: true });
    await Promise.all([
      this.registered(),
      this.#followChecks("critical"),
      this.#followChecks("warning"),
      this.#readDue(),
    ]);
  }

  /** Call it when the catalog's index has moved. @throws RegistryError. */
  registered(): Promise<void> {
    this.#nextReading ??= this.#reading.then(() => {
      this.#nextReading = undefined;
      this.#reading = this.#readRegistered();
      return this.#reading;
    });
    return this.#nextReading;
  }

  async #readRegistered(): Promise<void> {
    if (!this.#areChecksTooMany) {
      const all = await this.#read("any");
      if (all === undefined) this.#areChecksTooMany = true;
      else this.#readChanged(this.#checks, all.checks);
      this.#checks = all?.checks ?? new Map();
    }
    this.#beginRound();
  }

  async #followChecks(state: "critical" | "warning"): Promise<void> {
    const throttle = createThrottle(this.#deps, this.#signal);
    for (let before = await this.#read(state); ; ) {
      if (before === undefined) await this.#deps.clock.sleep(fullReadMs, this.#signal);
      const wait = { index: before?.index ?? 1, seconds: checksWaitSeconds };
      const news = before && (await this.#api.waitFor(checksIn(state), wait));
      const after = news === undefined ? await this.#read(state) : this.#usable(state, news);
      if (before !== undefined && after !== undefined) this.#readChanged(before.checks, after.checks);
      before = after;
      await throttle();
    }
  }

  /** undefined = the list is of no use. */
  async #read(state: State): Promise<IndexedChecks | undefined> {
    const answer = await this.#api.ask(checksIn(state)).catch((error: unknown) => {
      const isRefusal = error instanceof RegistryError && error.code === "RegistryBadResponse";
      if (!isRefusal) throw error; // a list beyond --max-answer-bytes is one
      return undefined;
    });
    return this.#usable(state, answer);
  }

  #usable(state: State, answer: IndexedAnswer<Checks | "too many"> | undefined): IndexedChecks | undefined {
    const { body = "too many", index = 0 } = answer ?? {};
    if (body !== "too many") return { checks: body, index };
    this.#deps.logger.warn("the list of checks is too long, so changes are found in rounds only", { state });
    return undefined;
  }

  #readChanged(before: Checks, after: Checks): void {
    const { services, nodes } = changedBetween(before, after);
    for (const name of this.#options.names())
      if (services.has(name) || (nodes.size > 0 && this.#options.isOn(name, nodes))) this.#changed.add(name);
    this.#due.resolve();
  }

  #beginRound(): void {
    this.#isRoundDue = true;
    this.#due.resolve();
  }

  async #readDue(): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      await this.#due.promise;
      this.#signal.throwIfAborted();
      const names = this.#take();
      if (names.length === 0) {
        this.#due = Promise.withResolvers();
        continue;
      }
      const startedAt = clock.monotonic();
      await this.#options.readAll(names);
      const readMs = clock.monotonic() - startedAt;
      await clock.sleep(Math.min(readMs * pausePerReadTime, maxPauseMs), this.#signal);
    }
  }

  #take(): readonly string[] {
    if (this.#round.length === 0 && this.#isRoundDue) {
      this.#round = this.#options.names();
      this.#isRoundDue = false;
    }
    const taken = [...this.#changed, ...this.#round.slice(0, sliceOfRound)];
    this.#round = this.#round.slice(sliceOfRound);
    this.#changed.clear();
    return taken;
  }
}

type State = "any" | "critical" | "warning";

interface IndexedChecks {
  readonly checks: Checks;
  readonly index: number;
}
