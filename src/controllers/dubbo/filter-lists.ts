import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { createReflector, type ObjectStore, type Reflector } from "../../kube/reflector.ts";
import { collectionPath, type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { EnvoyFilter } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import { pause } from "../../runtime/clock.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import { namespaceOnly, withoutManagedFields } from "../../translate/read-back/kept.ts";
import { isTerminating } from "../../translate/read-back/namespace.ts";
import type { Known, NamespacesView } from "./filter-scope.ts";

const forbidden = 403;
/** How often the API server is asked for a right that nobody needs yet: somebody may grant it to have things cleaned up. */
const probeMs = 600_000;
/** The same while it does not answer. */
const retryMs = 5_000;

/**
 * The EnvoyFilters of the root namespace, and those of all others with the namespaces themselves, where the rights to list
 * them are given. Only filters of entries that are exported to some namespaces need the latter.
 */
export class FilterLists implements ObjectStore<Stored<EnvoyFilter>>, NamespacesView {
  readonly root: Reflector<Stored<EnvoyFilter>>;
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #rootNamespace: string;
  readonly #elsewhere: Reflector<Stored<EnvoyFilter>>;
  readonly #namespaces: Reflector<KubeObject>;
  readonly #objects = new Map<ObjectKey, Stored<EnvoyFilter>>();
  /** Namespaces in which objects can be created. */
  readonly #open = new Set<string>();
  #changed: (keys: ReadonlySet<ObjectKey>) => void = () => undefined;
  /** Whether the API server refuses to list what nobody needs yet. */
  #isForbidden = false;
  /** Resolved once an entry is exported to some namespaces. */
  readonly #needed = Promise.withResolvers<void>();

  constructor(client: KubeClient, rootNamespace: string, deps: Deps) {
    this.#client = client;
    this.#clock = deps.clock;
    this.#rootNamespace = rootNamespace;
    const { envoyFilters, namespaces } = resources;
    const transform = withoutManagedFields<Stored<EnvoyFilter>>;
    this.root = createReflector(client, envoyFilters, { namespace: rootNamespace, transform }, deps);
    const neededFor = "EnvoyFilters in the namespaces of exportTo, instead of the root namespace";
    const optional = { ...deps, logger: deps.logger.child({ neededFor }) };
    const fieldSelector = `metadata.namespace!=${rootNamespace}`;
    this.#elsewhere = createReflector(client, envoyFilters, { fieldSelector, transform }, optional);
    this.#namespaces = createReflector(client, namespaces, { transform: namespaceOnly }, optional);
  }

  get objects(): ReadonlyMap<ObjectKey, Stored<EnvoyFilter>> {
    return this.#objects;
  }

  put(object: Stored<EnvoyFilter>): void {
    this.#listOf(object).put(object);
  }

  remove(object: KubeObject): void {
    this.#listOf(object).remove(object);
  }

  known(): Known {
    this.#needed.resolve();
    return this.elsewhere;
  }

  /** What is known of namespaces besides the root namespace; to ask is no need of them. */
  get elsewhere(): Known {
    if (this.#isForbidden) return "no";
    const lists = [this.#elsewhere.status, this.#namespaces.status];
    if (lists.every(({ state }) => state === "synced")) return "yes";
    return lists.some((one) => one.state !== "synced" && one.error?.status === forbidden) ? "no" : "unknown";
  }

  has(namespace: string): boolean {
    return this.#open.has(namespace);
  }

  /** @param changed called with the keys of filters that changed; also with none, when the state of a list did. */
  subscribe(changed: (keys: ReadonlySet<ObjectKey>) => void): void {
    this.#changed = changed;
    for (const list of [this.root, this.#elsewhere]) {
      list.subscribe((keys) => {
        for (const key of keys) {
          const object = list.objects.get(key);
          if (object === undefined) this.#objects.delete(key);
          else this.#objects.set(key, object);
        }
        changed(keys);
      });
    }
  }

  /** The keys of the filters outside the root namespace. */
  elsewhereKeys(): Iterable<ObjectKey> {
    return this.#elsewhere.objects.keys();
  }

  /** @param changed called with the namespaces that have come or gone. */
  subscribeToNamespaces(changed: (names: ReadonlySet<string>) => void): void {
    this.#namespaces.subscribe((keys) => {
      const news = new Set<string>();
      for (const name of keys) {
        const object = this.#namespaces.objects.get(name);
        const isOpen = object !== undefined && !isTerminating(object);
        if (isOpen === this.#open.has(name)) continue;
        if (isOpen) this.#open.add(name);
        else this.#open.delete(name);
        news.add(name);
      }
      changed(news);
    });
  }

  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.root.run(signal), this.#runElsewhere(signal)]);
  }

  /** Without the right nobody shall read of refusals before an entry needs it: until then it is asked for now and then. */
  async #runElsewhere(signal: AbortSignal): Promise<void> {
    let isNeeded = false;
    const needed = this.#needed.promise.then(() => {
      isNeeded = true;
    });
    signal.addEventListener("abort", () => this.#needed.resolve(), { once: true });
    for (let answer = await this.#probe(signal); answer !== "yes"; answer = await this.#probe(signal)) {
      if (isNeeded) break;
      if (answer === "no") this.#isForbidden = true;
      this.#changed(new Set());
      await Promise.race([needed, pause(this.#clock, answer === "no" ? probeMs : retryMs, signal)]);
    }
    this.#isForbidden = false;
    this.#changed(new Set()); // nothing is known until the lists say what
    await Promise.all([this.#elsewhere.run(signal), this.#namespaces.run(signal)]);
  }

  /** Whether the filters of all namespaces may be listed. */
  async #probe(signal: AbortSignal): Promise<Known> {
    const path = collectionPath(resources.envoyFilters);
    try {
      await this.#client.request({ method: "GET", path, query: { limit: "1" }, signal });
      return "yes";
    } catch (error) {
      if (!signal.aborted && !(error instanceof KubeError)) throw error;
      return error instanceof KubeError && error.status === forbidden ? "no" : "unknown";
    }
  }

  #listOf(object: KubeObject): Reflector<Stored<EnvoyFilter>> {
    return splitKey(objectKey(object))[0] === this.#rootNamespace ? this.root : this.#elsewhere;
  }
}
