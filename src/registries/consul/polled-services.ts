import type { Deps } from "../../runtime/deps.ts";
import type { ConsulApi } from "./api.ts";
import { createThrottle } from "./connection-retry.ts";
import { type Checks, checksOf, servicesOfChanged } from "./decode.ts";

const checksWaitSeconds = 60;
/** Everything is re-read after this time, whatever the notifications say. */
const fullReadMs = 60_000;
const minRestMs = 1_000;
/** Rounds take at most a quarter of the time; one over 1,000 services takes 0.6 s. Source: measured on 1.22.3. */
const pausePerReadTime = 3;

/** The services without a blocking query of their own, and how to read them. */
export interface PolledServicesOptions {
  readonly names: () => readonly string[];
  /** Reads these services with non-blocking queries. @throws RegistryError. */
  readonly readAll: (names: readonly string[]) => Promise<void>;
}

/**
 * Follows the services without a blocking query of their own, from `run` until `signal` aborts. The catalog's index
 * says that something was registered, but not what. Instances usually have checks, so the checks that appeared or
 * disappeared tell which services to read now. A round over all of them finds the rest a little later.
 */
export class PolledServices {
  readonly #api: ConsulApi;
  readonly #options: PolledServicesOptions;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  #checks: Checks = new Map();
  #isRoundDue = true;

  constructor(api: ConsulApi, options: PolledServicesOptions, deps: Deps, signal: AbortSignal) {
    this.#api = api;
    this.#options = options;
    this.#deps = deps;
    this.#signal = signal;
  }

  /** @throws RegistryError; the signal's reason. */
  async run(): Promise<void> {
    await Promise.all([
      this.registered(),
      this.#followChecks("critical"),
      this.#followChecks("warning"),
      this.#followRounds(),
    ]);
  }

  /** Call it when the catalog's index has moved. @throws RegistryError. */
  async registered(): Promise<void> {
    this.#isRoundDue = true;
    const checks = checksOf((await this.#api.checks("any")).body);
    const changed = servicesOfChanged(this.#checks, checks);
    this.#checks = checks;
    await this.#readThose(changed);
  }

  async #followChecks(state: "critical" | "warning"): Promise<void> {
    let { body, index } = await this.#api.checks(state);
    let checks = checksOf(body);
    const throttle = createThrottle(this.#deps, this.#signal);
    for (;;) {
      ({ body, index } = await this.#api.checks(state, { index, seconds: checksWaitSeconds }));
      const before = checks;
      checks = checksOf(body);
      await this.#readThose(servicesOfChanged(before, checks));
      await throttle();
    }
  }

  /** A node's check has no service, so any service on that node may be concerned. */
  async #readThose(changed: ReadonlySet<string>): Promise<void> {
    const names = this.#options.names();
    await this.#options.readAll(changed.has("") ? names : names.filter((name) => changed.has(name)));
  }

  async #followRounds(): Promise<void> {
    const { clock } = this.#deps;
    let lastAt = clock.monotonic();
    for (let restMs = 0; ; ) {
      await clock.sleep(Math.max(restMs, minRestMs), this.#signal);
      const startedAt = clock.monotonic();
      restMs = 0;
      if (!this.#isRoundDue && startedAt - lastAt < fullReadMs) continue;
      this.#isRoundDue = false;
      lastAt = startedAt;
      await this.#options.readAll(this.#options.names());
      restMs = (clock.monotonic() - startedAt) * pausePerReadTime;
    }
  }
}
