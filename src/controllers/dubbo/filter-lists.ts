import type { KubeClient } from "../../kube/client.ts";
import { createReflector, type ObjectStore, type Reflector } from "../../kube/reflector.ts";
import { type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { EnvoyFilter } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import type { Deps } from "../../runtime/deps.ts";
import { namespaceOnly, withoutManagedFields } from "../../translate/read-back/kept.ts";
import { isTerminating } from "../../translate/read-back/namespace.ts";
import { type Known, OptionalLists } from "../writes/optional-lists.ts";
import type { NamespacesView } from "./filter-scope.ts";

/**
 * The EnvoyFilters of the root namespace, and those of all others with the namespaces themselves, where the rights to list
 * them are given. Only filters of entries that are exported to some namespaces need the latter.
 */
export class FilterLists implements ObjectStore<Stored<EnvoyFilter>>, NamespacesView {
  readonly root: Reflector<Stored<EnvoyFilter>>;
  readonly #rootNamespace: string;
  readonly #elsewhere: Reflector<Stored<EnvoyFilter>>;
  readonly #namespaces: Reflector<KubeObject>;
  readonly #objects = new Map<ObjectKey, Stored<EnvoyFilter>>();
  /** Namespaces in which objects can be created. */
  readonly #open = new Set<string>();
  /** What is needed once an entry is exported to some namespaces. */
  readonly #optional: OptionalLists;

  constructor(client: KubeClient, rootNamespace: string, deps: Deps) {
    this.#rootNamespace = rootNamespace;
    const { envoyFilters, namespaces } = resources;
    const transform = withoutManagedFields<Stored<EnvoyFilter>>;
    this.root = createReflector(client, envoyFilters, { namespace: rootNamespace, transform }, deps);
    const neededFor = "EnvoyFilters in the namespaces of exportTo, instead of the root namespace";
    const optional = { ...deps, logger: deps.logger.child({ neededFor }) };
    const fieldSelector = `metadata.namespace!=${rootNamespace}`;
    this.#elsewhere = createReflector(client, envoyFilters, { fieldSelector, transform }, optional);
    this.#namespaces = createReflector(client, namespaces, { transform: namespaceOnly }, optional);
    const lists = [this.#elsewhere, this.#namespaces];
    this.#optional = new OptionalLists(client, envoyFilters, lists, deps.clock);
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
    this.#optional.need();
    return this.elsewhere;
  }

  /** What is known of namespaces besides the root namespace; to ask is no need of them. */
  get elsewhere(): Known {
    return this.#optional.known;
  }

  has(namespace: string): boolean {
    return this.#open.has(namespace);
  }

  /** @param changed called with the keys of filters that changed; also with none, when the state of a list did. */
  subscribe(changed: (keys: ReadonlySet<ObjectKey>) => void): void {
    this.#optional.onChange(() => changed(new Set()));
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
    await Promise.all([this.root.run(signal), this.#optional.run(signal)]);
  }

  #listOf(object: KubeObject): Reflector<Stored<EnvoyFilter>> {
    return splitKey(objectKey(object))[0] === this.#rootNamespace ? this.root : this.#elsewhere;
  }
}
