import { isCovered } from "../../kube/covered.ts";
import { type KubeError, retryDelay } from "../../kube/errors.ts";
import type { ObjectStore } from "../../kube/reflector.ts";
import { objectKey, resources } from "../../kube/resources.ts";
import type { EnvoyFilter } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import { filterFactsOf } from "../../translate/read-back/envoy-filter.ts";
import { ObjectWriter, type Tools } from "../writes/object-writer.ts";
import { failedBy, type Outcome } from "../writes/queue.ts";
import { type FilterScope, refusedMs } from "./filter-scope.ts";
import { type KnownFilters, namespaceOf } from "./known-filters.ts";

/** What the writer needs to know. */
export interface FilterWriterContext {
  readonly rootNamespace: string;
  readonly filters: ObjectStore<Stored<EnvoyFilter>>;
  readonly known: Pick<KnownFilters, "isOurs">;
  /** Told what becomes of filters. */
  readonly scope: Pick<FilterScope, "wrote" | "refuses">;
  /** Called when the API server refuses a write for a reason that only a person can fix. */
  refused(error: KubeError): void;
}

/** Writes and deletes filters, each by one caller at a time. */
export class FilterWriter {
  readonly #rootNamespace: string;
  readonly #filters: ObjectStore<Stored<EnvoyFilter>>;
  readonly #known: FilterWriterContext["known"];
  readonly #scope: FilterWriterContext["scope"];
  readonly #tellRefused: (error: KubeError) => void;
  readonly #writer: ObjectWriter<Stored<EnvoyFilter>>;
  /** Filters that are compared and written at this moment. */
  readonly #underway = new Map<string, Promise<Outcome>>();

  constructor(context: FilterWriterContext, tools: Tools) {
    const { rootNamespace, filters, known, scope } = context;
    this.#rootNamespace = rootNamespace;
    this.#filters = filters;
    this.#known = known;
    this.#scope = scope;
    this.#tellRefused = (error) => context.refused(error);
    this.#writer = new ObjectWriter(filters, resources.envoyFilters, fieldManagers.dubbo, tools);
  }

  /**
   * Has the cluster have the filter. All entries of a port need its filter: one of them writes it; the others wait for the
   * answer.
   */
  async ensure(desired: EnvoyFilter): Promise<Outcome> {
    const key = objectKey(desired);
    for (let other = this.#underway.get(key); other; other = this.#underway.get(key)) await other;
    const ensuring = this.#ensureAlone(key, desired).finally(() => this.#underway.delete(key));
    this.#underway.set(key, ensuring);
    return ensuring;
  }

  async #ensureAlone(key: string, desired: EnvoyFilter): Promise<Outcome> {
    const actual = this.#filters.objects.get(key);
    if (actual && isCovered(desired, actual)) return undefined;
    if (actual && !this.isToBeWritten(actual, desired)) {
      this.#writer.recordEvent(
        actual,
        "NameTaken",
        "the dubbo-controller needs this name but did not write this EnvoyFilter; delete or rename it",
      );
      return this.#refused(desired) ?? { failed: true };
    }
    const { name } = desired.metadata;
    if (this.#scope.refuses(namespaceOf(desired), name)) return { againInMs: refusedMs };
    const pauseMs = this.#writer.pauseMs(key, desired);
    if (pauseMs > 0) return { againInMs: pauseMs };
    const error = await this.#writer.apply(key, desired, actual, { name });
    if (error === undefined) this.#scope.wrote(namespaceOf(desired), name, "ok");
    const outcome = this.#outcome(error);
    if (error === undefined || error.reason === "NamespaceMissing") return outcome;
    if (error.status >= 500) this.#scope.wrote(namespaceOf(desired), name, "failed");
    return (retryDelay(error) === undefined && this.#refused(desired)) || outcome;
  }

  /** Outside the root namespace it is no failure that something is refused: there is another place for the filter. */
  #refused(desired: EnvoyFilter): Outcome {
    const namespace = namespaceOf(desired);
    if (namespace === this.#rootNamespace) return undefined;
    this.#scope.wrote(namespace, desired.metadata.name, "refused");
    return { againInMs: refusedMs };
  }

  /** Deletes it. */
  async remove(filter: Stored<EnvoyFilter>): Promise<Outcome> {
    return this.#outcome(
      await this.#writer.delete(objectKey(filter), filter, { name: filter.metadata.name }),
    );
  }

  #outcome(error: KubeError | undefined): Outcome {
    if (error && retryDelay(error) === undefined) this.#tellRefused(error);
    return failedBy(error);
  }

  /**
   * Whether the filter is ours, or the old product's with the same name and listener; that one is taken over in place,
   * without a drain.
   */
  isToBeWritten(actual: Stored<EnvoyFilter>, desired: EnvoyFilter): boolean {
    if (this.#known.isOurs(actual)) return true;
    const { listener } = filterFactsOf(actual);
    const isInRoot = namespaceOf(actual) === this.#rootNamespace;
    return isInRoot && listener !== undefined && listener === filterFactsOf(desired).listener;
  }
}
