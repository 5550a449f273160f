import { isDeepStrictEqual } from "node:util";
import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import { isSameListing, type Service, type Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryConfig } from "../adapter.ts";
import { inParallel } from "../transport/parallel.ts";
import type { RefreshHooks } from "../transport/refreshes.ts";
import { type ConsulApi, type IndexedAnswer, TooManyConnectionsError } from "./api.ts";
import { createThrottle, withConnectionRetry } from "./connection-retry.ts";
import { decodeService, unreadable } from "./decode.ts";
import { PolledServices } from "./polled-services.ts";

/**
 * This many services have a blocking query of their own; the others are read in rounds. A server accepts 200
 * connections from one address, and other hubs need some of them. Source: measured on 1.22.3.
 */
const maxLoops = 100;
/** More in flight is not faster. Source: measured on 1.22.3. */
const maxInFlight = 8;
/** The services' blocking queries, those of the catalog and of two states of checks, and the reads. */
export const maxConnections = maxLoops + 3 + maxInFlight;

/** How long a query for one service blocks. At its end the reader notices a token that lost its rights meanwhile. */
const serviceWaitSeconds = 60;
/** Short for the catalog: the end of the query shows that the server still lives, and what the token may still read. */
const catalogWaitSeconds = 10;
/** Consul lists itself. */
const ownService = "consul";

/**
 * The knowledge of one watch about one datacenter. A blocking query is only a notification. If the token loses a
 * right while it blocks, the answer is silently shorter, so every difference is re-read with a non-blocking query
 * before it is used. docs/registries/consul.md has the rules and the measurements.
 */
export class ConsulReader {
  readonly #config: RegistryConfig<"consul">;
  readonly #api: ConsulApi;
  /** Fails at once when the server has no free connection. */
  readonly #rawApi: ConsulApi;
  readonly #hooks: RefreshHooks;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  /** By name. An "unknown" service is unreadable; it is read again with every catalog. */
  readonly #services = new Map<string, Service>();
  /** The services that the catalog has and the hub wants. */
  #listed: ReadonlySet<string> = new Set();
  /**
   * Listed services that had no instances when they were read: they are about to go, or the token may not see their
   * nodes.
   */
  readonly #emptied = new Set<string>();
  /** The index of the newest answer for each service; an older answer may arrive later. */
  readonly #readAt = new Map<string, number>();
  /** The services with a blocking query of their own, each with the controller that ends it. */
  readonly #loops = new Map<string, AbortController>();
  #loopLimit = maxLoops;
  #problems: readonly Problem[] = [];
  /** The catalog's index. */
  #position = 0;
  #others: PolledServices | undefined;
  #published: Snapshot | undefined;

  private constructor(
    config: RegistryConfig<"consul">,
    api: ConsulApi,
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#api = withConnectionRetry(api, deps, signal);
    this.#rawApi = api;
    this.#hooks = hooks;
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Reads everything, then follows it until `signal` aborts. @throws RegistryError. */
  static async open(
    config: RegistryConfig<"consul">,
    api: ConsulApi,
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ): Promise<ConsulReader> {
    const reader = new ConsulReader(config, api, hooks, deps, signal);
    await reader.#relist();
    reader.#follow(reader.#followCatalog());
    return reader;
  }

  /** Returns everything that is known; undefined = unchanged since the last call. */
  refresh(): Snapshot | undefined {
    const before = this.#published;
    const isSame =
      isSameListing(before?.services, this.#services) && isDeepStrictEqual(this.#problems, before?.problems);
    if (isSame && this.#position >= (before?.position ?? 0)) return undefined;
    const position = this.#position;
    this.#published = { services: new Map(this.#services), problems: this.#problems, position };
    return this.#published;
  }

  /** Runs a loop; its error ends the watch. */
  #follow(loop: Promise<void>): void {
    loop.catch((error: unknown) => this.#hooks.onLost(error as Error));
  }

  async #followCatalog(): Promise<void> {
    let index = this.#position;
    const throttle = createThrottle(this.#deps, this.#signal);
    for (;;) {
      const wait = { index, seconds: catalogWaitSeconds };
      const notified = await this.#api.services(wait);
      const names = notified.body.filter((name) => this.#isWanted(name));
      const isNews = notified.index !== index || !isDeepStrictEqual(new Set(names), this.#listed);
      index = notified.index;
      if (isNews || this.#doubtful().length > 0) {
        await this.#relist();
        index = Math.min(index, this.#position); // the server may have started over meanwhile
      }
      if (isNews) await this.#others?.registered();
      await throttle();
    }
  }

  /**
   * Reads the list, the new services, and the missing ones. Only a missing service's own answer tells gone from
   * hidden.
   */
  async #relist(): Promise<void> {
    const catalog = await this.#api.services();
    const names = catalog.body.filter((name) => this.#isWanted(name));
    await this.#assertVisibility(catalog, names);
    this.#listed = new Set(names);
    this.#forgetOtherSpellings();
    this.#problems = catalog.isFiltered ? [hiddenServices] : [];
    const unread = names.filter((name) => !this.#services.has(name));
    await this.#readAll([...unread, ...this.#missing(), ...this.#doubtful()]);
    this.#position = catalog.index;
    this.#endLoops();
    this.#startLoops();
    if (this.#withoutLoop().length > 0) this.#followOthers();
    this.#hooks.changed();
  }

  /** Fails if the token sees no service, or if the server does not say whether results were filtered. */
  async #assertVisibility(catalog: IndexedAnswer<unknown>, names: readonly string[]): Promise<void> {
    const isBlind = names.length === 0 && catalog.isFiltered;
    if (isBlind) throw this.#unauthorized("the token may not read any service that the hub wants");
    if (!catalog.hidesSilently) return;
    const rights = [{ resource: "node", name: "" } as const];
    const needed = names.length > 0 ? rights : [...rights, { resource: "service", name: "" } as const];
    if (await this.#api.mayRead(needed)) return;
    throw this.#unauthorized("without a token the operator may not read all nodes and services");
  }

  #unauthorized(why: string): RegistryError {
    const detail = `GET /v1/catalog/services at ${this.#api.server.name}: ${why}`;
    const advice =
      'Put a token with service_prefix "" and node_prefix "" (policy read) into the Secret of spec.secretRef.';
    return new RegistryError("RegistryUnauthorized", detail, advice);
  }

  #isWanted(name: string): boolean {
    return name !== ownService && this.#config.wants(name);
  }

  /** Services known here or in the cluster, but not listed. */
  #missing(): readonly string[] {
    const listed = lowerCased(this.#listed);
    const known = [...this.#services.keys(), ...(this.#config.known?.() ?? [])];
    return known.filter((name) => this.#isWanted(name) && !listed.has(name.toLowerCase()));
  }

  /** The cluster has names in lower case. A service that was hidden is listed in its own spelling again. */
  #forgetOtherSpellings(): void {
    const listed = lowerCased(this.#listed);
    for (const name of this.#services.keys())
      if (!this.#listed.has(name) && listed.has(name.toLowerCase())) this.#services.delete(name);
  }

  #doubtful(): readonly string[] {
    const unknown = [...this.#services.values()].filter(({ instances }) => instances === "unknown");
    return [...unknown.map(({ name }) => name), ...this.#emptied];
  }

  async #readAll(names: readonly string[]): Promise<void> {
    await inParallel(new Set(names), maxInFlight, (name) => this.#read(name));
  }

  /** Reads a service with a non-blocking query, and uses the answer only if it is provably complete. */
  async #read(name: string): Promise<void> {
    const answer = await this.#api.health(name);
    if (answer.index < (this.#readAt.get(name) ?? 0)) return;
    this.#readAt.set(name, answer.index);
    const known = this.#services.get(name);
    const found = decodeService(name, answer.body, this.#config.registry);
    const isEmpty = answer.body.length === 0;
    const wasEmpty = this.#emptied.delete(name);
    if (!(await this.#isWhole(answer, name, isEmpty || isLess(found, known)))) {
      this.#put(unreadable(name));
    } else if (!isEmpty) {
      this.#put(found);
    } else if (!this.#listed.has(name)) {
      this.#readAt.delete(name);
      if (this.#services.delete(name)) this.#hooks.changed();
    } else if (wasEmpty) {
      this.#put(unreadable(name)); // listed twice without an instance: the token may not see its nodes
    } else {
      this.#emptied.add(name);
    }
  }

  async #isWhole(answer: IndexedAnswer<unknown>, name: string, lacksSomething: boolean): Promise<boolean> {
    if (answer.isFiltered) return false;
    if (!answer.hidesSilently || !lacksSomething) return true;
    const all = { resource: "node", name: "" } as const;
    return this.#api.mayRead([{ resource: "service", name }, all]);
  }

  #put(service: Service): void {
    if (isDeepStrictEqual(this.#services.get(service.id), service)) return;
    this.#services.set(service.id, service);
    this.#hooks.changed();
  }

  #startLoops(): void {
    for (const name of this.#listed) {
      if (this.#loops.size >= this.#loopLimit) return;
      if (this.#loops.has(name)) continue;
      const end = new AbortController();
      this.#loops.set(name, end);
      this.#follow(this.#followService(name, AbortSignal.any([this.#signal, end.signal])));
    }
  }

  /** Ends the queries of services that are no longer listed, and those beyond the limit. */
  #endLoops(): void {
    const kept = [...this.#loops.keys()].filter((name) => this.#listed.has(name)).slice(0, this.#loopLimit);
    for (const name of this.#loops.keys()) {
      if (kept.includes(name)) continue;
      this.#loops.get(name)?.abort();
      this.#loops.delete(name);
    }
  }

  #withoutLoop(): readonly string[] {
    return [...this.#listed].filter((name) => !this.#loops.has(name));
  }

  /** Follows one service with blocking queries while it is listed and the server has a connection for it. */
  async #followService(name: string, signal: AbortSignal): Promise<void> {
    let index = 1;
    const throttle = createThrottle(this.#deps, signal);
    try {
      for (;;) {
        const wait = { index, seconds: serviceWaitSeconds, signal };
        const notified = await this.#rawApi.health(name, wait);
        index = notified.index < index ? 1 : notified.index;
        const seen = decodeService(name, notified.body, this.#config.registry);
        if (!isDeepStrictEqual(seen, this.#services.get(name))) await this.#read(name);
        await throttle();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TooManyConnectionsError)) throw error;
      this.#loops.delete(name); // otherwise nobody would follow this service any more
      this.#loopLimit = Math.floor(this.#loops.size / 2); // other clients behind this address need some too
      this.#deps.logger.warn("too few connections to watch each service", { services: this.#loopLimit });
      this.#endLoops();
      this.#followOthers();
    }
  }

  #followOthers(): void {
    if (this.#others !== undefined) return;
    const options = {
      names: () => this.#withoutLoop(),
      readAll: (names: readonly string[]) => this.#readAll(names),
    };
    this.#others = new PolledServices(this.#api, options, this.#deps, this.#signal);
    this.#follow(this.#others.run());
  }
}

const hiddenServices: Problem = {
  at: "/v1/catalog/services",
  code: "Hidden",
  detail:
    'the token may not read all services, so the operator keeps what the cluster has of the others; to read them, grant the token service_prefix "" with policy read',
  severity: "warning",
};

/** Consul ignores the case of names. Source: measured on 1.22.3. */
const lowerCased = (names: Iterable<string>): ReadonlySet<string> =>
  new Set([...names].map((name) => name.toLowerCase()));

/** Whether a known instance is missing. */
function isLess({ instances }: Service, known: Service | undefined): boolean {
  if (known === undefined || known.instances === "unknown" || instances === "unknown") return true;
  const keys = new Set(instances.map(({ address, port }) => `${address} ${port}`));
  return known.instances.some(({ address, port }) => !keys.has(`${address} ${port}`));
}
