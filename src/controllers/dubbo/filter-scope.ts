import type { Instant, Ms } from "../../model/entry.ts";
import type { Clock } from "../../runtime/deps.ts";
import { type DubboRoute, outboundNamesOf } from "../../translate/envoy-filter.ts";
import type { Known } from "../writes/optional-lists.ts";

/** A filter that a namespace has refused is tried there again after so long. */
export const refusedMs = 600_000;
/** Where a write has failed for so long, for a reason that might have passed, it counts as refused. */
const failingMs = 60_000;

/** What has become of a filter in a namespace; "failed" = a server there broke down, such as an admission webhook. */
export type WriteResult = "ok" | "refused" | "failed";

/** A filter that a namespace has not taken. */
interface Refusal {
  /** The first failure in a row. */
  readonly since: Instant;
  /** The last one. */
  readonly at: Instant;
  readonly result: Exclude<WriteResult, "ok">;
}

/** The namespaces besides the root namespace. */
export interface NamespacesView {
  /** Whether all of them and their filters are known. */
  known(): Known;
  /** Whether the namespace exists and is not being deleted. */
  has(namespace: string): boolean;
}

/** Nothing but the root namespace may be seen. */
export const rootOnly: NamespacesView = { known: () => "no", has: () => false };

/** The namespaces of an entry's outbound filters. */
export interface Scope {
  /** Those that may refuse come first. */
  readonly namespaces: readonly string[];
  /** Why the root namespace is one of them, though the entry is exported to others. */
  readonly keptInRoot?: string;
  /** When to ask again. */
  readonly againInMs?: Ms;
}

/** The scope of what has no filters. */
export const nowhere: Scope = { namespaces: [] };

/** Whether two scopes mean the same namespaces; what is not known now makes no difference. */
export function isSameScope(one: Scope, other: Scope | undefined): boolean {
  return other === undefined || one.namespaces.toSorted().join() === other.namespaces.toSorted().join();
}

/**
 * In which namespaces an entry has its outbound filters: in those that the entry is exported to, if it is not to all, and
 * else in the root namespace, where they act on every proxy. That costs istiod more and does the same, so it is also what
 * an entry gets while one of its namespaces cannot have a filter.
 */
export class FilterScope {
  readonly #rootNamespace: string;
  readonly #view: NamespacesView;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #tell: (why: string) => void;
  /** By namespace and name of the filter, the oldest first: one name that somebody has there says nothing of others. */
  readonly #refusals = new Map<string, Map<string, Refusal>>();
  /** Why entries that are exported to some namespaces have their filters in the root namespace all the same. */
  readonly #inRoot = new Map<string, string>();

  /** @param tell called with a reason why filters are in the root namespace that no entry had before. */
  constructor(
    rootNamespace: string,
    view: NamespacesView,
    clock: Pick<Clock, "monotonic">,
    tell: (why: string) => void,
  ) {
    this.#rootNamespace = rootNamespace;
    this.#view = view;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** How many entries have their filters in the root namespace though they are exported to others. */
  get inRoot(): number {
    return this.#inRoot.size;
  }

  /**
   * undefined = it is not known now, so the entry keeps what it has. @param has where it has the filter: there it stays,
   * whatever becomes of the right.
   */
  of(route: DubboRoute, has: ReadonlySet<string>): Scope | undefined {
    const { namespaces } = route;
    const root = { namespaces: [this.#rootNamespace] };
    if (namespaces === undefined || namespaces.includes(this.#rootNamespace)) return root;
    switch (this.#view.known()) {
      case "unknown":
        return undefined;
      case "no":
        return this.#withoutRight(namespaces, has);
      case "yes": {
        const existing = namespaces.filter((namespace) => this.#view.has(namespace));
        const names = outboundNamesOf(route);
        const refuses = (namespace: string): boolean => names.some((name) => this.refuses(namespace, name));
        const refused = existing.find((namespace) => !has.has(namespace) && refuses(namespace));
        const doubt = (namespace: string): number => (this.#refusals.has(namespace) ? 0 : 1);
        if (refused === undefined)
          return { namespaces: existing.toSorted((one, other) => doubt(one) - doubt(other)) };
        const keptInRoot = `namespace ${refused} does not take them: see the Events on namespace ${this.#rootNamespace}, and on EnvoyFilters there, or the log of the dubbo-controller`;
        return { ...root, keptInRoot, againInMs: refusedMs };
      }
    }
  }

  /** Whether a filter in the namespace may be removed: one that nobody can list might be another one by now. */
  mayRemoveFrom(namespace: string): boolean {
    return namespace === this.#rootNamespace || this.#view.known() === "yes";
  }

  /** Whether it is too early to try the filter in the namespace again, which has refused it. */
  refuses(namespace: string, name: string): boolean {
    const refusal = this.#refusals.get(namespace)?.get(name);
    if (refusal === undefined || this.#clock.monotonic() - refusal.at >= refusedMs) return false;
    return refusal.result === "refused" || refusal.at - refusal.since >= failingMs;
  }

  /**
   * What has become of a filter in the namespace. Where the root namespace fails too, no namespace is to blame: all are tried
   * as before, so that filters do not move once the server is back.
   */
  wrote(namespace: string, name: string, result: WriteResult): void {
    if (namespace === this.#rootNamespace) {
      if (result === "failed") this.#forgive();
      return;
    }
    const names = this.#refusals.get(namespace) ?? new Map<string, Refusal>();
    const now = this.#clock.monotonic();
    const since = names.get(name)?.since ?? now;
    names.delete(name);
    if (result !== "ok") names.set(name, { since, at: now, result });
    for (const [oldest, { at }] of names) {
      if (now - at < 2 * refusedMs) break;
      names.delete(oldest); // nobody has tried it again
    }
    if (names.size > 0) this.#refusals.set(namespace, names);
    else this.#refusals.delete(namespace);
  }

  #forgive(): void {
    for (const [namespace, names] of this.#refusals) {
      for (const [name, { result }] of names) if (result === "failed") names.delete(name);
      if (names.size === 0) this.#refusals.delete(namespace);
    }
  }

  /** Records why the entry has filters in the root namespace; undefined = it is for no such reason. */
  record(entry: string, keptInRoot: string | undefined): void {
    if (keptInRoot === undefined) {
      this.#inRoot.delete(entry);
      return;
    }
    const isTold = this.#inRoot.values().some((why) => why === keptInRoot);
    this.#inRoot.set(entry, keptInRoot);
    if (!isTold) this.#tell(keptInRoot);
  }

  #withoutRight(namespaces: readonly string[], has: ReadonlySet<string>): Scope {
    const kept = namespaces.filter((namespace) => has.has(namespace));
    if (kept.length === namespaces.length) return { namespaces: kept };
    const keptInRoot =
      "the right to list namespaces and their EnvoyFilters is missing: apply config/components/scoped-filters";
    return { namespaces: [this.#rootNamespace, ...kept], keptInRoot };
  }
}
