import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import type { Service, Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import { isSameMap } from "../../runtime/parted-map.ts";
import type { RegistryConfig } from "../adapter.ts";
import { inParallel } from "../transport/parallel.ts";
import type { RefreshHooks } from "../transport/refreshes.ts";
import { allServices, type ConsulApi, type IndexedAnswer } from "./api.ts";
import { assertVisibility, hiddenServices, startedOver } from "./belief.ts";
import { createThrottle, withConnectionRetry } from "./connection-retry.ts";
import { decodeService, type Health, unreadable } from "./decode.ts";
import { freshness, isDoubtful, isUnknown, judge, type Known, nothingKnown, rightsToProve } from "./judge.ts";
import { createLookup, type Lookup } from "./lookup.ts";
import { PolledServices } from "./polled-services.ts";
import { maxWaiting, WaitingQueries } from "./waiting-queries.ts";

/** More in flight is not faster. Source: measured on 1.22.3. */
const maxInFlight = 8;
/** The services' queries that wait, those of the catalog and of two states of checks, and the reads. */
export const maxConnections = maxWaiting + 3 + maxInFlight;

/** Short: its end shows that the server still lives, and it is when what could not be read is asked for again. */
const catalogWaitSeconds = 10;
/** Consul lists itself. */
const ownService = "consul";

/**
 * The knowledge of one watch about one datacenter. A query that waits is only a notification. If the token loses a
 * right meanwhile, the answer is silently shorter, so every difference is read again with a query that does not wait
 * before it is used. docs/registries/consul.md has the rules and the measurements.
 */
export class ConsulReader {
  readonly #config: RegistryConfig<"consul">;
  readonly #api: ConsulApi;
  readonly #hooks: RefreshHooks;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  /** What is listed, and what is not and could not be read either. */
  readonly #known = new Map<string, Known>();
  /** The services that the catalog has and the hub wants. */
  #listed: ReadonlySet<string> = new Set();
  /** Whether the catalog says that it lacks something. */
  #tellsHidden = false;
  #problems: readonly Problem[] = [];
  /** The catalog's index. */
  #position = 0;
  /** When the services that could not be read, and those that only the cluster has, were asked for. */
  #askedAgainAt = Number.NEGATIVE_INFINITY;
  readonly #lookup: Lookup;
  readonly #waiting: WaitingQueries;
  #others: PolledServices | undefined;
  #published: (Snapshot & { readonly at: number }) | undefined;

  private constructor(
    config: RegistryConfig<"consul">,
    api: ConsulApi,
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#api = withConnectionRetry(api, () => this.#waiting.giveWay(), deps, signal);
    const selection = { ...config.registry, keys: config.keys ?? [] };
    this.#lookup = createLookup(this.#api, selection);
    this.#hooks = hooks;
    this.#deps = deps;
    this.#signal = signal;
    const options = {
      selection,
      onEnd: (name: string, news: IndexedAnswer<Health> | undefined) => this.#notified(name, news),
      onFewer: () => this.#followOthers(),
      onLost: hooks.onLost,
    };
    this.#waiting = new WaitingQueries(api, options, deps, signal);
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

  /** Returns everything that is known; undefined = nothing new since the last call, or only a position of the last 10 s. */
  refresh(): Snapshot | undefined {
    const services = new Map<string, Service>();
    for (const [name, { service }] of this.#known) if (service !== undefined) services.set(name, service);
    const before = this.#published;
    const at = this.#deps.clock.monotonic();
    const isSame =
      isSameMap(before?.services, services) && isDeepStrictEqual(this.#problems, before?.problems);
    const isRecent =
      this.#position === before?.position || at - (before?.at ?? 0) < catalogWaitSeconds * 1_000;
    if (isSame && isRecent) return undefined;
    this.#published = { services, problems: this.#problems, position: this.#position, at };
    return { services, problems: this.#problems, position: this.#position };
  }

  /** Runs a loop; its error ends the watch. */
  #follow(loop: Promise<void>): void {
    loop.catch((error: unknown) => this.#hooks.onLost(error as Error));
  }

  async #followCatalog(): Promise<void> {
    const throttle = createThrottle(this.#deps, this.#signal);
    for (;;) {
      const before = this.#position;
      const notified = await this.#api.waitFor(allServices, { index: before, seconds: catalogWaitSeconds });
      const names = new Set(notified?.body.filter((name) => this.#isWanted(name)));
      const isNews = notified?.index !== before || !isDeepStrictEqual(names, this.#listed);
      if (isNews || (this.#isTimeToAskAgain() && this.#doubtful().length > 0)) await this.#relist();
      if (isNews) await this.#others?.registered();
      this.#followServices();
      this.#hooks.changed();
      await throttle();
    }
  }

  /**
   * Reads the list, the new services, and the missing ones. Only a missing service's own answer tells gone from
   * hidden.
   */
  async #relist(): Promise<void> {
    const catalog = await this.#api.ask(allServices);
    if (catalog.index < this.#position) throw startedOver(this.#api, "the index of the catalog");
    this.#position = catalog.index;
    const names = catalog.body.filter((name) => this.#isWanted(name));
    await assertVisibility(this.#api, catalog, names);
    this.#listed = new Set(names);
    this.#tellsHidden = catalog.sight === "filtered";
    this.#problems = this.#tellsHidden ? [hiddenServices] : [];
    await this.#readAll(this.#toRead());
    this.#forgetOtherSpellings(); // not before the listed ones are read: until then they are what is known
    this.#followServices();
  }

  #isWanted(name: string): boolean {
    return name !== ownService && name !== "" && this.#config.wants(name);
  }

  /** What is new and what is listed no longer; every ten seconds also what is doubtful and what only the cluster has. */
  #toRead(): readonly string[] {
    const listed = lowerCased(this.#listed);
    const isMissing = (name: string): boolean => !listed.has(name.toLowerCase());
    const isVanished = ([name, known]: [string, Known]): boolean => isMissing(name) && !isUnknown(known);
    const unread = [...this.#listed].filter((name) => !this.#known.has(name));
    const vanished = [...this.#known].filter(isVanished).map(([name]) => name);
    if (!this.#isTimeToAskAgain()) return [...unread, ...vanished];
    this.#askedAgainAt = this.#deps.clock.monotonic();
    const inCluster = [...(this.#config.known?.() ?? [])].filter((name) => this.#isWanted(name));
    return [...unread, ...vanished, ...this.#doubtful(), ...inCluster.filter(isMissing)];
  }

  #doubtful(): readonly string[] {
    return [...this.#known].filter(([, known]) => isDoubtful(known)).map(([name]) => name);
  }

  #isTimeToAskAgain(): boolean {
    return this.#deps.clock.monotonic() - this.#askedAgainAt >= catalogWaitSeconds * 1_000;
  }

  /** The cluster has names in lower case. A service that was hidden is listed in its own spelling again. */
  #forgetOtherSpellings(): void {
    const listed = lowerCased(this.#listed);
    for (const name of this.#known.keys())
      if (!this.#listed.has(name) && listed.has(name.toLowerCase())) this.#known.delete(name);
  }

  async #readAll(names: readonly string[]): Promise<void> {
    await inParallel(new Set(names), maxInFlight, (name) => this.#read(name));
  }

  /** Reads a service as it is now, and uses the answer only as far as it is provably complete. */
  async #read(name: string): Promise<void> {
    const { index: before } = this.#of(name);
    const answer = await this.#lookup(name);
    if (typeof answer === "string") return this.#refused(name, answer);
    // Hiding something else, the server has shown that it knows the token, and that it says when it hides.
    const sight = answer.sight === "unproven" && this.#tellsHidden ? "whole" : answer.sight;
    const found = decodeService(name, answer.body);
    const about = { answer: { ...answer, sight }, found, isListed: this.#listed.has(name) };
    const rights = rightsToProve(name, { ...about, known: this.#of(name) });
    const mayRead = rights.length === 0 || (await this.#api.mayRead(rights));
    const known = this.#of(name); // another answer may have come meanwhile
    const age = freshness(answer.index, { before, now: known.index });
    if (age === "started over") throw startedOver(this.#api, `the index of ${name}`);
    if (age === "new") this.#set(name, judge({ ...about, known }, mayRead));
  }

  #of(name: string): Known {
    return this.#known.get(name) ?? nothingKnown;
  }

  /** Of a service that cannot be asked for, only the catalog says whether it is there. */
  async #refused(name: string, why: string): Promise<void> {
    const isGone = !this.#listed.has(name) && (await this.#api.mayRead([{ resource: "service", name }]));
    const advice = "rename it, or exclude it with spec.services; the operator keeps what the cluster has";
    const service = unreadable(name, `${why}; ${advice}`);
    this.#set(name, isGone ? "gone" : { ...this.#of(name), service, isEmpty: false });
  }

  #set(name: string, next: Known | "gone"): void {
    const before = this.#known.get(name)?.service;
    const service = next === "gone" ? undefined : next.service;
    const isSame = isDeepStrictEqual(before, service);
    if (next === "gone") this.#known.delete(name);
    else this.#known.set(name, isSame ? { ...next, service: before } : next);
    if (!isSame) this.#hooks.changed();
  }

  /** A query for one service has ended. */
  async #notified(name: string, news: IndexedAnswer<Health> | undefined): Promise<void> {
    const seen = news && decodeService(name, news.body);
    if (seen === undefined || !isDeepStrictEqual(seen, this.#known.get(name)?.service))
      await this.#read(name);
  }

  /** What is listed and could be read; the catalog's loop asks for the rest. */
  #readable(): readonly string[] {
    return [...this.#listed].filter((name) => !isUnknown(this.#of(name)));
  }

  #followServices(): void {
    this.#waiting.follow(new Set(this.#readable()));
    this.#followOthers();
  }

  /** Follows the services that have no query of their own, if there are any. */
  #followOthers(): void {
    const names = (): readonly string[] => this.#readable().filter((name) => !this.#waiting.has(name));
    if (this.#others !== undefined || names().length === 0) return;
    const options = {
      names,
      isOn: (name: string, nodes: ReadonlySet<string>) => !nodes.isDisjointFrom(this.#of(name).nodes),
      readAll: (changed: readonly string[]) => this.#readAll(changed),
    };
    this.#others = new PolledServices(this.#api, options, this.#deps, this.#signal);
    this.#follow(this.#others.run());
  }
}

/** Consul ignores the case of names. Source: measured on 1.22.3. */
const lowerCased = (names: Iterable<string>): ReadonlySet<string> =>
  new Set([...names].map((name) => name.toLowerCase()));
