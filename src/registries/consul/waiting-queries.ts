import type { Deps } from "../../runtime/deps.ts";
import { type ConsulApi, healthOf, type IndexedAnswer, TooManyConnectionsError } from "./api.ts";
import { createThrottle } from "./connection-retry.ts";
import type { Health, Selection } from "./decode.ts";

/**
 * This many services have a query of their own; the others are read in rounds. A server accepts 200 connections from one
 * address, and other hubs need some of them. Source: measured on 1.22.3.
 */
export const maxWaiting = 100;
/** Proxies end a query after a minute, and servers add a sixteenth to its time. */
const waitSeconds = 45;
/** A query that was refused, or ended by a proxy, is repeated no sooner than this after it began. */
const refusedMs = 10_000;
/** One more query is tried after each such time in which the server had connections enough. */
const quietMs = 60_000;
/** So soon after each other, refusals are of one burst. */
const burstMs = 1_000;

export interface WaitingQueriesOptions {
  readonly selection: Selection;
  /** A query ended: the news, or undefined if it was refused. @throws whatever ends the watch. */
  readonly onEnd: (service: string, news: IndexedAnswer<Health> | undefined) => Promise<void>;
  /** Fewer services than before have a query. */
  readonly onFewer: () => void;
  readonly onLost: (error: Error) => void;
}

/** One query for each of the first services that waits for news of it. `api` has to refuse at once what is too much. */
export class WaitingQueries {
  readonly #api: ConsulApi;
  readonly #options: WaitingQueriesOptions;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  /** By service, what ends its query. */
  readonly #running = new Map<string, AbortController>();
  #limit = maxWaiting;
  /** When the limit was last changed. Refusals of queries that began before it are of the same burst. */
  #limitedAt = Number.NEGATIVE_INFINITY;

  constructor(api: ConsulApi, options: WaitingQueriesOptions, deps: Deps, signal: AbortSignal) {
    this.#api = api;
    this.#options = options;
    this.#deps = deps;
    this.#signal = signal;
  }

  has(service: string): boolean {
    return this.#running.has(service);
  }

  /** Starts and ends queries, so that as many of `services` have one as may. */
  follow(services: ReadonlySet<string>): void {
    const now = this.#deps.clock.monotonic();
    if (this.#limit < maxWaiting && now - this.#limitedAt >= quietMs) this.#setLimit(this.#limit + 1);
    for (const service of this.#running.keys()) if (!services.has(service)) this.#end(service);
    for (const service of services) {
      if (this.#running.size >= this.#limit) break;
      if (this.#running.has(service)) continue;
      const end = new AbortController();
      this.#running.set(service, end);
      void this.#run(service, AbortSignal.any([this.#signal, end.signal]));
    }
  }

  async #run(service: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let beganAt = 0;
    try {
      const throttle = createThrottle(this.#deps, signal);
      for (let index = 1; ; ) {
        beganAt = clock.monotonic();
        const news = await this.#api.waitFor(healthOf(service, this.#options.selection), {
          index,
          seconds: waitSeconds,
          signal,
        });
        if (news !== undefined) index = news.index < index ? 1 : news.index;
        await this.#options.onEnd(service, news);
        if (news === undefined)
          await clock.sleep(Math.max(0, beganAt + refusedMs - clock.monotonic()), signal);
        await throttle();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof TooManyConnectionsError) this.#refused(service, beganAt);
      else this.#options.onLost(error as Error);
    }
  }

  /** Other clients behind this address need connections too, so a burst of refusals costs half of the queries, once. */
  #refused(service: string, beganAt: number): void {
    this.#running.delete(service);
    if (beganAt > this.#limitedAt) this.#halve();
    this.#options.onFewer();
  }

  /**
   * Something else has no connection: of a burst those that were accepted may have taken all that there are. Half of them
   * end, at most once in a second.
   */
  giveWay(): void {
    if (this.#running.size === 0 || this.#deps.clock.monotonic() - this.#limitedAt < burstMs) return;
    this.#halve();
    this.#options.onFewer();
  }

  #halve(): void {
    this.#setLimit(Math.floor(this.#running.size / 2));
    this.#deps.logger.warn("too few connections to watch each service", { services: this.#limit });
    for (const beyond of [...this.#running.keys()].slice(this.#limit)) this.#end(beyond);
  }

  #setLimit(limit: number): void {
    this.#limit = limit;
    this.#limitedAt = this.#deps.clock.monotonic();
  }

  #end(service: string): void {
    this.#running.get(service)?.abort();
    this.#running.delete(service);
  }
}
