import type { Instant, Ms } from "../../model/entry.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { DubboRoute } from "../../translate/envoy-filter.ts";

/** Where the API server has refused a filter it is asked again after so long. */
const refusedMs = 600_000;

/** Whether all namespaces and their filters are known: "no" = a right is missing; "unknown" = not now. */
export type Known = "yes" | "no" | "unknown";

/** The namespaces besides the root namespace. */
export interface NamespacesView {
  known(): Known;
  /** Whether the namespace exists and is not being deleted. */
  has(namespace: string): boolean;
}

/** Nothing but the root namespace may be seen. */
export const rootOnly: NamespacesView = { known: () => "no", has: () => false };

/** The namespaces of an entry's outbound filters, and when to ask again. */
export interface Scope {
  readonly namespaces: readonly string[];
  readonly againInMs?: Ms;
}

/** The scope of what has no filters. */
export const nowhere: Scope = { namespaces: [] };

/** Whether two scopes mean the same namespaces; what is not known now makes no difference. */
export function isSameScope(one: Scope, other: Scope | undefined): boolean {
  return other === undefined || one.namespaces.join() === other.namespaces.join();
}

/**
 * In which namespaces an entry has its outbound filters: in those that the entry is exported to, if it is not to all, and
 * else in the root namespace, where they act on every proxy. That costs istiod more and does the same, so it is also what
 * an entry gets while a right is missing in one of its namespaces.
 */
export class FilterScope {
  readonly #rootNamespace: string;
  readonly #view: NamespacesView;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #keptInRoot: (why: string) => void;
  readonly #refusedAt = new Map<string, Instant>();
  /** Entries that are exported to some namespaces, and whose filters are in the root namespace all the same. */
  readonly #inRoot = new Set<string>();

  /** @param keptInRoot called when there is a first entry whose filters are in the root namespace for lack of a right. */
  constructor(
    rootNamespace: string,
    view: NamespacesView,
    clock: Pick<Clock, "monotonic">,
    keptInRoot: (why: string) => void,
  ) {
    this.#rootNamespace = rootNamespace;
    this.#view = view;
    this.#clock = clock;
    this.#keptInRoot = keptInRoot;
  }

  /** How many entries have their filters in the root namespace for lack of a right. */
  get inRoot(): number {
    return this.#inRoot.size;
  }

  /**
   * undefined = it is not known now, so the entry keeps what it has. @param has where it has the filter: there it
   * stays, whatever becomes of the right.
   */
  of({ serviceEntry, namespaces }: DubboRoute, has: ReadonlySet<string>): Scope | undefined {
    const root = { namespaces: [this.#rootNamespace] };
    if (namespaces === undefined || namespaces.includes(this.#rootNamespace)) {
      this.forget(serviceEntry);
      return root;
    }
    const known = this.#view.known();
    const isScoped = [...has].some((namespace) => namespace !== this.#rootNamespace);
    if (known === "unknown" || (known === "no" && isScoped)) return undefined;
    if (known === "no") {
      this.#keep(serviceEntry, "the right to list namespaces and their EnvoyFilters is missing");
      return root;
    }
    const existing = namespaces.filter((namespace) => this.#view.has(namespace));
    const refused = existing.find((namespace) => !has.has(namespace) && this.#isRefused(namespace));
    if (refused === undefined) {
      this.forget(serviceEntry);
      return { namespaces: existing };
    }
    this.#keep(serviceEntry, `the API server refuses EnvoyFilters in namespace ${refused}`);
    return { ...root, againInMs: refusedMs };
  }

  /** The API server has refused a filter in the namespace. */
  refused(namespace: string): void {
    if (namespace !== this.#rootNamespace) this.#refusedAt.set(namespace, this.#clock.monotonic());
  }

  /** The entry's filters are where it is exported to; or it is gone, or wants none. */
  forget(entry: string): void {
    this.#inRoot.delete(entry);
  }

  #keep(entry: string, why: string): void {
    if (this.#inRoot.size === 0) this.#keptInRoot(why);
    this.#inRoot.add(entry);
  }

  #isRefused(namespace: string): boolean {
    const at = this.#refusedAt.get(namespace);
    return at !== undefined && this.#clock.monotonic() - at < refusedMs;
  }
}
